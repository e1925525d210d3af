"""FoundFile: whatever object a hash directory holds, if it belongs there."""

from __future__ import annotations

import os

from swiftlite.common.policies import StoragePolicy
from swiftlite.core.fileset import StoredFile
from swiftlite.core.names import EntityName
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj.diskfile import DiskFile, DiskFileManager
from swiftlite.obj.errors import DiskFileCollision, DiskFileNotExist


class FoundFile(DiskFile):
    """An object of which only the place is known; its path is, once it was opened or found deleted."""

    __slots__ = ()

    def __init__(self, manager: DiskFileManager, device_root: str, policy: StoragePolicy, directory: str) -> None:
        super().__init__(manager, device_root, policy, directory, "")

    def _check_tombstone(self, file: StoredFile) -> Timestamp:
        timestamp = super()._check_tombstone(file)
        try:
            self._check_name(self._read_metadata(file).get("name", ""))
        except FileNotFoundError:
            raise DiskFileNotExist(self.directory) from None  # tidied away this moment
        return timestamp

    def _check_name(self, name: str) -> None:
        try:
            account, container, object_name = EntityName.from_path(name)
        except ValueError:
            raise DiskFileCollision(f"{name!r} is the name of no object") from None
        if self.manager.hash_path.hex(account, container, object_name) != os.path.basename(self.directory):
            raise DiskFileCollision(f"its name, {name!r}, does not hash to its directory")
        self.path = name
