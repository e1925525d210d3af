"""Are the doctor's remedies commands that exist? Each is taken apart, and its programs and options looked up."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parents[2] / "bin"
SYSTEM = {
    *(
        "cat",
        "cd",
        "certbot",
        "chgrp",
        "chmod",
        "chown",
        "chronyc",
        "curl",
        "diff",
        "find",
        "findmnt",
        "fsck",
        "grep",
        "install",
        "journalctl",
        "ls",
        "md5sum",
        "mkdir",
        "mount",
        "openssl",
    ),
    *(
        "ping",
        "pip",
        "printf",
        "rmdir",
        "rsync",
        "sed",
        "smartctl",
        "ssh",
        "stat",
        "sudo",
        "sysctl",
        "systemctl",
        "service",
        "tail",
        "test",
        "umount",
    ),
}
"""What a node has besides swiftlite: coreutils, and the packages that the operator's guide names."""
OPERATORS = ("&&", "||", "|", ";", "{", "}")


def commands(line: str) -> list[list[str]]:
    """The simple commands of a line of shell, those that ssh is to run elsewhere in place of ssh itself."""
    lexer = shlex.shlex(re.sub(r"\$\(|<\(|\)", " ; ", line), posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in OPERATORS:
            found.append([])
        else:
            found[-1].append(word)
    simple = []
    for words in found:
        if not words or words == ["-"]:
            continue  # what is left of diff's arguments
        if words[0] == "ssh":
            simple += commands(" ".join(words[2:]))
        else:
            simple.append(words)
    return simple


@functools.cache
def help_text(*command: str) -> str:
    """What a program of ours says of its options."""
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / command[0]), *command[1:], "--help"], capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


def problem(line: str) -> str:
    """What is wrong with a remedy; empty when nothing is."""
    for words in commands(line):
        program, *arguments = words
        if not program.startswith("swiftlite-"):
            if program not in SYSTEM and not any(char in program for char in "$/="):
                return f"nobody knows {program}: {line}"
            continue
        if not (PROGRAMS / program).is_file():
            return f"there is no bin/{program}: {line}"
        known = help_text(program)
        if program == "swiftlite-ring-builder":
            if not re.search(rf"\b{arguments[1]}\b", known):
                return f"the ring builder knows no {arguments[1]}: {line}"
            known += _of_ring_builder(arguments[1])
        for option in arguments:
            if option.startswith("--") and option.partition("=")[0] not in known:
                return f"{program} has no option {option}: {line}"
    return ""


def _of_ring_builder(command: str) -> str:
    """The options of its commands, which its help sums up as <device options>."""
    selection = "--ip --port --device --yes --region --zone --weight"
    return selection if command in ("add", "remove", "set_weight") else ""
