"""AsyncPending: the spool of row updates that no container server has acknowledged yet (formats.md 3.9).

A crash while one is written leaves a nameless temporary file; once renamed, it is on stable storage.
"""

from __future__ import annotations

import os
import pickle
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from swiftlite.common import pickles
from swiftlite.common.fs import FileSystem
from swiftlite.common.policies import StoragePolicy
from swiftlite.core.metadata import title_case
from swiftlite.core.names import HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import layout

PLACE_ATTEMPTS = 5
"""How often a file is moved into a directory that an updater may be removing."""


class BadUpdate(Exception):
    """A spooled update cannot be read."""


class ForeignUpdate(Exception):
    """A spooled update is not that of the object whose hash names its file: it is damaged, or swift.conf is wrong."""


@dataclass(frozen=True)
class RowUpdate:
    """One row that a container server has to learn of; the names are native.

    :param operation: ``PUT`` or ``DELETE``
    :param headers: the message, names in title case, values as WSGI strings
    :param db_state: what the proxy knew of the container's root database
    :param container_path: ``account/container`` that takes the row instead, a shard
    :param successes: ids of the ring devices that have taken it
    :param redirect_history: the ``account/container`` paths it was sent to before
    :param told: ``ip:port/device`` of those that took it before it was spooled, for an object server knows no ids.
        OpenStack Swift's updater keeps what it does not know, and tells them once more.
    """

    operation: str
    account: str
    container: str
    object: str
    headers: Mapping[str, str]
    db_state: str | None = None
    container_path: str | None = None
    successes: tuple[int, ...] = ()
    redirect_history: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def timestamp(self) -> Timestamp:
        """The moment of the change; names the file."""
        return Timestamp(self.headers.get("X-Meta-Timestamp") or self.headers["X-Timestamp"])

    @property
    def destination(self) -> tuple[str, str]:
        """Account and container that take the row."""
        if not self.container_path:
            return self.account, self.container
        account, _, container = self.container_path.partition("/")
        return account, container

    @property
    def path(self) -> str:
        """Where the row goes: ``/account/container/object``."""
        return f"/{self.container_path or f'{self.account}/{self.container}'}/{self.object}"

    def is_known_to(self, device_id: int, address: tuple[str, int], device: str) -> bool:
        """Whether a device has taken it.

        :param device_id: in the ring
        :param address: where the object server reaches its container server
        """
        return device_id in self.successes or bool(self.told and told_name(address, device) in self.told)

    def to_pickle(self) -> bytes:
        """What a spool file holds."""
        plain: dict[str, Any] = {
            "op": self.operation,
            "account": self.account,
            "container": self.container,
            "obj": self.object,
            "headers": dict(self.headers),
            "db_state": self.db_state,
        }
        if self.container_path:
            plain["container_path"] = self.container_path
        if self.successes:
            plain["successes"] = list(self.successes)
        if self.redirect_history:
            plain["redirect_history"] = list(self.redirect_history)
        if self.told:
            plain["told"] = list(self.told)
        return pickle.dumps(plain, 0)

    @classmethod
    def from_pickle(cls, data: bytes) -> RowUpdate:
        """Read a spool file of ours or of OpenStack Swift's.

        :raises BadUpdate: when it is none
        """
        try:
            plain = pickles.loads(data, encoding="utf8")
            update = cls(
                plain["op"],
                plain["account"],
                plain["container"],
                plain["obj"],
                {title_case(name): str(value) for name, value in plain["headers"].items()},
                plain.get("db_state"),
                plain.get("container_path"),
                tuple(plain.get("successes") or ()),
                tuple(plain.get("redirect_history") or ()),
                tuple(plain.get("told") or ()),
            )
            if not all(isinstance(name, str) for name in (update.account, update.container, update.object)):
                raise ValueError("a name is no text")
            if update.operation not in ("PUT", "DELETE") or not update.timestamp:
                raise ValueError("it names no operation")
        except (pickle.UnpicklingError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadUpdate(f"not a spooled update: {error!r}") from None
        return update

    def taken_by(self, device_ids: tuple[int, ...]) -> RowUpdate:
        """The update with these devices added to those that have taken it."""
        return replace(self, successes=(*self.successes, *device_ids))

    def redirected(self, container_path: str) -> RowUpdate:
        """The update, to be sent to another container from now on, where nobody has taken it yet.

        One that it was sent to before leads in circles: it starts again from the root.
        """
        circles = container_path in self.redirect_history
        return replace(
            self,
            container_path=None if circles else container_path,
            redirect_history=() if circles else (*self.redirect_history, container_path),
            successes=(),
            told=(),
        )


def told_name(address: tuple[str, int], device: str) -> str:
    """How a spooled update names a device that has taken it: ``ip:port/device``."""
    return f"{address[0]}:{address[1]}/{device}"


class SpoolFile(NamedTuple):
    """Where one update waits."""

    device_root: str
    policy: StoragePolicy
    path: str
    timestamp: Timestamp


class AsyncPending:
    """The spools of all devices and policies."""

    def __init__(self, fs: FileSystem, hash_path: HashPath) -> None:
        self.fs = fs
        self.hash_path = hash_path
        self.hash_is_right = False
        """Whether any update's file had the name that it should: swift.conf has the right prefix and suffix."""

    def save(self, device_root: str, policy: StoragePolicy, update: RowUpdate) -> str:
        """Put an update on stable storage; an older state of the same one is replaced.

        :returns: its path
        """
        name_hash = self.hash_path.hex(update.account, update.container, update.object)
        path = layout.async_path(device_root, policy, name_hash, update.timestamp)
        self._write(device_root, policy, path, update.to_pickle())
        return path

    def walk(
        self, device_root: str, policy: StoragePolicy, failed: Callable[[OSError], None] | None = None
    ) -> Iterator[SpoolFile]:
        """The newest update of each object; older ones say nothing any more and are removed.

        Names that are no spool file's are passed over.

        :param failed: hears of a directory that cannot be worked on, and is passed over; without it the error is raised
        """
        root = layout.async_root(device_root, policy)
        for suffix in sorted(filter(layout.is_suffix, self._list(root))):
            try:
                newest = self._newest(f"{root}/{suffix}")
            except OSError as error:
                if failed is None:
                    raise
                failed(error)
                continue
            for timestamp, name in newest:
                yield SpoolFile(device_root, policy, f"{root}/{suffix}/{name}", timestamp)

    def count(self, device_root: str, policy: StoragePolicy) -> int:
        """How many updates wait, superseded ones among them. Raises OSError."""
        root = layout.async_root(device_root, policy)
        return sum(len(self._list(f"{root}/{suffix}")) for suffix in filter(layout.is_suffix, self._list(root)))

    def _newest(self, directory: str) -> list[tuple[Timestamp, str]]:
        newest: dict[str, tuple[Timestamp, str]] = {}
        for name in sorted(self._list(directory)):
            try:
                name_hash, timestamp = layout.parse_async_name(name)
            except ValueError:
                continue
            older = newest.get(name_hash)
            if older is None or older[0] < timestamp:
                newest[name_hash] = (timestamp, name)
            superseded = older[1] if older and older[0] < timestamp else None if older is None else name
            if superseded:
                self._unlink(f"{directory}/{superseded}")
        return list(newest.values())

    def load(self, file: SpoolFile) -> RowUpdate:
        """Read an update.

        :raises BadUpdate: when it is damaged
        :raises ForeignUpdate: when it is another object's than its file's name says
        :raises FileNotFoundError: when another updater has delivered it
        """
        update = RowUpdate.from_pickle(self.fs.read_file(file.path))
        name_hash, timestamp = layout.parse_async_name(os.path.basename(file.path))
        if update.timestamp != timestamp:
            raise BadUpdate(f"it is of {update.timestamp.internal}, and its name of {timestamp.internal}")
        if self.hash_path.hex(update.account, update.container, update.object) != name_hash:
            raise ForeignUpdate(f"it is of {update.account}/{update.container}/{update.object}, and its name is not")
        self.hash_is_right = True
        return update

    def rewrite(self, file: SpoolFile, update: RowUpdate) -> None:
        """Remember what became of an update so far."""
        self._write(file.device_root, file.policy, file.path, update.to_pickle())

    def remove(self, file: SpoolFile) -> None:
        """Forget an update that was delivered."""
        self._unlink(file.path)
        self._remove_if_empty(os.path.dirname(file.path))

    def quarantine(self, file: SpoolFile) -> str:
        """Move a damaged update out of the way.

        :returns: where it is now
        """
        directory = layout.async_quarantine_directory(file.device_root)
        self.fs.make_directories(directory)
        target = f"{directory}/{os.path.basename(file.path)}"
        if self.fs.exists(target):
            target += f"-{uuid.uuid4().hex}"
        self.fs.rename(file.path, target)
        self._remove_if_empty(os.path.dirname(file.path))
        return target

    def _write(self, device_root: str, policy: StoragePolicy, path: str, data: bytes) -> None:
        temporary_directory = layout.temporary_directory(device_root, policy)
        self.fs.make_directories(temporary_directory)
        temporary = f"{temporary_directory}/{uuid.uuid4().hex}"
        fd = self.fs.open_new(temporary)
        try:
            try:
                self.fs.write(fd, data)
                self.fs.sync(fd)
            finally:
                self.fs.close(fd)
            made = self._place(temporary, path)
        except BaseException:
            self._unlink(temporary)
            raise
        for changed in (os.path.dirname(path), *map(os.path.dirname, made)):
            try:
                self.fs.sync_directory(changed)
            except FileNotFoundError:
                pass  # An updater has delivered it already, and removed the empty directory.

    def _place(self, temporary: str, path: str) -> list[str]:
        """Move a file into the spool; return the directories that were made for it.

        An updater removes directories that it finds empty, perhaps just the one that we are about to use.
        """
        directory, made = os.path.dirname(path), set()
        for attempt in range(PLACE_ATTEMPTS):
            made.update(self.fs.make_directories(directory))
            try:
                self.fs.rename(temporary, path)
                break
            except FileNotFoundError:
                if attempt == PLACE_ATTEMPTS - 1:
                    raise
        return sorted(made, reverse=True)

    def _remove_if_empty(self, directory: str) -> None:
        try:
            self.fs.remove_directory(directory)
        except OSError:
            pass  # others wait in it

    def _list(self, path: str) -> list[str]:
        try:
            return self.fs.list(path)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _unlink(self, path: str) -> None:
        try:
            self.fs.unlink(path)
        except FileNotFoundError:
            pass
