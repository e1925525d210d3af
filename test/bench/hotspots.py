"""Where a stack's processes spend their time: py-spy on each of them during a row, added up by server and function."""

from __future__ import annotations

import collections
import shutil
import subprocess
import sys
from pathlib import Path

import accounting
import confs
from stacks import Stack, StackError


class Hotspots:
    """Sampling of all Python servers of a stack. `rate`: samples a second."""

    def __init__(self, stack: Stack, directory: Path, rate: int = 200) -> None:
        program = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
        if program is None:
            raise StackError("py-spy is missing: pip install py-spy")
        self.stack = stack
        self.program = program
        self.directory = directory
        self.rate = rate
        self.running: list[tuple[str, Path, subprocess.Popen[bytes]]] = []
        directory.mkdir(exist_ok=True)

    def start(self, seconds: float) -> None:
        """Begin to sample every server process for that long."""
        self.pids = self._by_kind()
        self.before = {kind: accounting.user_and_system(pids) for kind, pids in self.pids.items()}
        for kind, pid in [(kind, pid) for kind, pids in self.pids.items() for pid in pids]:
            output = self.directory / f"{kind}-{pid}"
            arguments = ["record", "--pid", str(pid), "--duration", str(max(1, int(seconds)))]
            arguments += ["--rate", str(self.rate), "--format", "raw", "--output", str(output)]
            with open(output.with_suffix(".log"), "wb") as log:
                child = subprocess.Popen([self.program, *arguments], stdout=log, stderr=log)
            self.running.append((kind, output, child))

    def _by_kind(self) -> dict[str, list[int]]:
        """Return the process ids of each kind of server."""
        found: dict[str, list[int]] = collections.defaultdict(list)
        for pid in self.stack.pids():
            command = accounting.command_line(pid)
            for kind in confs.SERVERS:
                if f"{kind}-server" in command:
                    found[kind].append(pid)
        return found

    def bill(self, requests: int) -> str:
        """Return what a request cost each kind of server since `start`, apart for its own code and the kernel."""
        lines = [f"{'':12}{'own':>8}{'kernel':>8}   CPU-ms a request"]
        for kind, pids in self.pids.items():
            after = accounting.user_and_system(pids)
            own, kernel = (1000 * (now - then) / requests for now, then in zip(after, self.before[kind], strict=True))
            lines.append(f"{kind:12}{own:8.2f}{kernel:8.2f}")
        return "\n".join(lines)

    def stop(self, top: int = 25) -> str:
        """Wait for the samplers and return, per kind of server, the functions with most samples of their own and in all."""
        own: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        whole: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        totals: collections.Counter[str] = collections.Counter()
        for kind, output, child in self.running:
            child.wait()
            if not output.exists():
                continue
            for line in output.read_text().splitlines():
                stack, _, count = line.rpartition(" ")
                frames = [_shorten(frame) for frame in stack.split(";")]
                totals[kind] += int(count)
                own[kind][frames[-1]] += int(count)
                for frame in set(frames):
                    whole[kind][frame] += int(count)
        self.running.clear()
        text = []
        for kind, total in totals.most_common():
            text.append(f"== {kind}: {total} samples ({total / self.rate:.1f} CPU-seconds seen)")
            text.append(f"{'own':>7}  function{'':52}{'whole':>7}  function")
            pairs = zip(own[kind].most_common(top), whole[kind].most_common(top), strict=False)
            for (left, mine), (right, all_of_it) in pairs:
                text.append(f"{mine / total:7.1%}  {left[:58]:60}{all_of_it / total:7.1%}  {right[:58]}")
        return "\n".join(text)


def _shorten(frame: str) -> str:
    """Return a frame as ``function file``; the line is dropped so that a function counts as one."""
    name, _, place = frame.partition(" (")
    path = place.rstrip(")").rpartition(":")[0] or place.rstrip(")")
    return f"{name} {'/'.join(path.split('/')[-3:])}"
