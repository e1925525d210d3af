"""Carrying out a node's plan: compare with what is there, write what is missing, make the account, enable units."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from swiftlite.cli import node_facts
from swiftlite.cli.node_answers import Answers
from swiftlite.cli.node_checks import ERROR, NOTE, WARNING, Finding
from swiftlite.cli.node_plan import ROOT, File, differences, enabled_units, has_wrong_owner, says_the_same

NEW, SAME, DIFFERS, REPLACED = "new", "same", "differs", "replaced"
SYSUSERS = "swiftlite.conf"
COMMAND_TIMEOUT = 60


@dataclass(frozen=True)
class Compared:
    """A file of the plan beside what the node has in its place.

    :ivar changes: lines by which it differs
    """

    file: File
    state: str
    changes: Sequence[str] = ()

    def finding(self) -> Iterable[Finding]:
        """Tell of a file that is left as it is."""
        if self.state == DIFFERS:
            remedy = "leave it if it is meant so; --force replaces it (the old one stays beside it, as .old)"
            yield Finding(WARNING, self.file.path, "differs from the answers, and is left as it is", remedy)


@dataclass
class Site:
    """The node whose files are written.

    :ivar root: directory that stands for its ``/``; empty: this machine itself
    """

    root: str
    findings: list[Finding] = field(default_factory=list)

    def compare(self, files: Iterable[File], force: bool) -> list[Compared]:
        """Compare the plan with what is there. Raises OSError for a file that cannot be read."""
        return [self._compare(file, force) for file in files]

    def _compare(self, file: File, force: bool) -> Compared:
        place = self.root + file.path
        if file.text is None:
            return Compared(file, SAME if os.path.isdir(place) else NEW)
        try:
            with open(place, encoding="utf-8", errors="surrogateescape") as opened:
                has = opened.read()
        except FileNotFoundError:
            return Compared(file, NEW)
        if has == file.text or (file.path.endswith(".conf") and says_the_same(has, file.text, file.section)):
            return Compared(file, SAME)
        return Compared(file, REPLACED if force else DIFFERS, differences(file.path, has, file.text))

    def write(self, compared: Iterable[Compared]) -> None:
        """Write what is new or to be replaced, and give the daemons what is theirs to use. Raises OSError."""
        for entry in compared:
            place = self.root + entry.file.path
            if self._is_closed(entry.file):
                self._give(place, entry.file)
            if entry.file.text is None:
                if entry.state == NEW:
                    os.makedirs(place, exist_ok=True)
                    self._give(place, entry.file)
            elif entry.state in (NEW, REPLACED):
                os.makedirs(os.path.dirname(place), exist_ok=True)
                if entry.state == REPLACED:
                    shutil.copy2(place, place + ".old")
                self._replace(place, entry.file)

    def closed(self, files: Iterable[File]) -> Iterable[Finding]:
        """Tell of what is there, and the daemons' account cannot use."""
        for file in files:
            if self._is_closed(file):
                found = os.stat(self.root + file.path)
                problem = f"its owner is {found.st_uid}:{found.st_gid} and its mode {found.st_mode & 0o7777:04o}: the daemons' account cannot use it"
                remedy = f"chown {file.user}:{file.group} {file.path} && chmod {file.mode:o} {file.path}"
                yield Finding(ERROR, file.path, problem, remedy)

    def _is_closed(self, file: File) -> bool:
        wanted = (self._user_id(file.user), self._group_id(file.group))
        try:
            found = os.stat(self.root + file.path)
        except FileNotFoundError:
            return False
        is_known = wanted != (0, 0) and os.geteuid() == 0
        return is_known and has_wrong_owner(file, (found.st_uid, found.st_gid, found.st_mode), wanted)

    def _replace(self, place: str, file: File) -> None:
        """In one step: no daemon reads half of it, and nobody else a key that it holds."""
        temporary = f"{place}.{os.getpid()}.tmp"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
            opened.write(file.text or "")
            opened.flush()
            os.fsync(opened.fileno())
        self._give(temporary, file)
        os.replace(temporary, place)

    def _give(self, place: str, file: File) -> None:
        if os.geteuid() == 0:
            os.chown(place, self._user_id(file.user), self._group_id(file.group))
        os.chmod(place, file.mode)

    def _user_id(self, name: str) -> int:
        if name == ROOT:
            return 0
        if not self.root:
            return pwd.getpwnam(name).pw_uid if node_facts.user_exists(name, "") else 0
        return (node_facts.ids(name, self.root) or (0, 0))[0]

    def _group_id(self, name: str) -> int:
        return 0 if name == ROOT else node_facts.group_id(name, self.root)

    def make_account(self, answers: Answers) -> None:
        """Make the daemons' account as sysusers.d says, if the node has none of that name."""
        if node_facts.user_exists(answers.node.user, self.root) or not can_make_account():
            return
        self.run(["systemd-sysusers", *self._options(), SYSUSERS], "see the message; or: useradd --system swift")

    def make_devices(self, answers: Answers) -> None:
        """Make missing directories of devices, and give the filesystems mounted there to the daemons' account.

        A bare mount point stays root's, so that nothing can be written to the system's disk by mistake. Raises OSError.
        """
        node = answers.node
        for disk in node.disks if answers.has_storage else ():
            place = f"{self.root}{node.devices}/{disk}"
            os.makedirs(place, exist_ok=True)
            if os.geteuid() == 0 and (os.path.ismount(place) or not node.mount_check) and os.stat(place).st_uid == 0:
                os.chown(place, self._user_id(node.user), self._group_id(node.group))

    def enable(self, answers: Answers) -> None:
        """Have the units start with the node; nothing is started now."""
        if not self.root and not node_facts.systemd_runs():
            return
        if shutil.which("systemctl") is None:
            self.findings.append(
                Finding(
                    NOTE,
                    "systemd",
                    "there is no systemctl here: units are written, but not enabled",
                    "enable them there",
                )
            )
            return
        if not self.root:
            self.run(["systemctl", "daemon-reload"], "see: journalctl -b -p err")
        self.run(
            ["systemctl", *self._options(), "enable", *enabled_units(answers)], "see the message, and systemctl status"
        )

    def _options(self) -> list[str]:
        return [f"--root={self.root}"] if self.root else []

    def run(self, command: Sequence[str], remedy: str) -> None:
        """Run a program; that it failed becomes a finding."""
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=COMMAND_TIMEOUT,
                stdin=subprocess.DEVNULL,
            )
            problem = "" if done.returncode == 0 else " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = str(error)
        if problem:
            self.findings.append(Finding(ERROR, " ".join(command[:3]), f"failed: {problem}", remedy))


def can_make_account() -> bool:
    """Whether there is a program for it."""
    return shutil.which("systemd-sysusers") is not None
