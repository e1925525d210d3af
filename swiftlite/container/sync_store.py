"""Which containers of a device are synced: a tree of links, so that nobody opens all databases to find out (formats.md 1.4)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from swiftlite.container.backend import ContainerBroker, is_deleted
from swiftlite.db import layout
from swiftlite.db.broker import load_metadata

SYNC_TO = "X-Container-Sync-To"
SYNC_KEY = "X-Container-Sync-Key"
_LINKS = "sync_containers"


def update_link(broker: ContainerBroker) -> None:
    """Make or remove a container's link, as its metadata ask for.

    Called for every container that is changed or replicated, most of which have never been synced.

    :raises DatabaseMissing: when there is no database
    :raises OSError: when the device does not take the change
    """
    info = broker.get_info()
    metadata = load_metadata(info["metadata"])
    if SYNC_TO not in metadata and SYNC_KEY not in metadata:
        return
    to, key = (metadata.get(name, ("", ""))[0] for name in (SYNC_TO, SYNC_KEY))
    if to and key and not is_deleted(info):
        _make_link(broker.path)
    else:
        remove_link(broker.path)


def _make_link(path: str) -> None:
    link = link_path(path)
    if not os.path.lexists(link):
        os.makedirs(os.path.dirname(link), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(path, link)


def remove_link(path: str) -> None:
    """Remove the link of a database, if there is one.

    :param path: the database's, in the form without an epoch
    :raises OSError: when the device does not take the change
    """
    directory = os.path.dirname(link_path(path))
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(directory):  # one that has an epoch may bear it in its link's name
            os.unlink(f"{directory}/{name}")
        with contextlib.suppress(OSError):  # not empty: in use
            for _ in ("hash", "suffix", "partition"):
                os.rmdir(directory)
                directory = os.path.dirname(directory)


def link_path(path: str) -> str:
    """``<device>/sync_containers/<partition>/<suffix>/<hash>/<hash>.db`` for a database's path."""
    device_path, _, rest = path.rpartition("/containers/")
    return f"{device_path}/{_LINKS}/{rest}"


def synced_databases(device_path: str) -> Iterator[str]:
    """The databases of a device that have a link: their paths, in the form without an epoch; some may be gone."""
    for link in layout.databases(device_path, "container", _LINKS):
        yield f"{device_path}/containers{link[len(device_path) + len(_LINKS) + 1 :]}"
