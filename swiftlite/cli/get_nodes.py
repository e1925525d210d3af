"""swiftlite-get-nodes: which nodes hold an account, a container, an object or a partition."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from swiftlite.cli.locations import Place, location_lines
from swiftlite.cli.tool import FAILURE, SUCCESS, ToolError, add_swift_dir, parser, tool
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.names import EntityName, quote_path
from swiftlite.ring.ring import Ring

RING_SUFFIX = ".ring.gz"

USAGE = """[-a] <ring.gz> <account> [<container> [<object>]]
       %(prog)s [-a] <ring.gz> -p <partition>
       %(prog)s [-a] -P <policy name> <account> [<container> [<object>]]
       %(prog)s [-a] -P <policy name> -p <partition>"""
DESCRIPTION = """Show the nodes that hold something, and commands that ask them for it.
Account, container and object may also be given as one path: account/container/object."""


class BadQuestion(ToolError):
    """The arguments do not say what is looked for, or where."""


@dataclass(frozen=True)
class Question:
    """What the arguments ask for.

    :ivar ring_path: of the ring file that was named, if one was
    :ivar names: account, container, object, as far as given
    """

    ring_path: str | None
    names: tuple[str, ...]
    partition: str | None = None
    policy_name: str | None = None

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Question:
        """Understand the arguments.

        :raises BadQuestion: when they cannot be
        """
        words, ring_path = list(options.words), None
        if not options.policy_name and words and words[0].endswith(RING_SUFFIX):
            ring_path = words.pop(0)
            if not os.path.exists(ring_path):
                raise BadQuestion("Ring file does not exist")
        if options.quoted:
            words = [unquote(word, errors="surrogateescape") for word in words]
        if len(words) == 1:
            words = words[0].strip("/").split("/", 2)
        if not ring_path and not options.policy_name:
            raise BadQuestion("Need to specify policy_name or <ring.gz>")
        if not (words or options.partition):
            raise BadQuestion("No target specified")
        if len(words) > 3:
            raise BadQuestion("Invalid arguments")
        return cls(ring_path, tuple(words), options.partition, options.policy_name)

    @property
    def name(self) -> EntityName | None:
        """What the names name; None when there are none.

        :raises ToolError: when one is missing before another
        """
        account, container, object_name = (*self.names, None, None, None)[:3]
        for kind, name, inner in (("account", account, container), ("container", container, object_name)):
            if inner and not name:
                raise ToolError(f"No {kind} specified")
        if not account and not self.partition:
            raise ToolError("No target specified")
        return EntityName(account, container or None, object_name or None) if account else None


def find(question: Question, conf: SwiftConf, swift_dir: str) -> tuple[Ring, Place, list[str]]:
    """The ring that knows, the place it gives, and warnings.

    :raises StartError: when there is no such ring
    """
    name, policy_index = question.name, None
    ring_name: str | None = None
    if question.ring_path:
        ring_name = os.path.basename(question.ring_path)[: -len(RING_SUFFIX)]
        ring = Ring(question.ring_path, hash_path=conf.hash_path)
    elif question.partition or (name and name.object):
        policy = conf.policies.by_name(question.policy_name or "")
        assert policy is not None
        ring_name, policy_index = policy.ring_name, policy.index
        ring = Ring(swift_dir, ring_name, hash_path=conf.hash_path)
    else:
        assert name is not None
        ring = Ring(swift_dir, "container" if name.container else "account", hash_path=conf.hash_path)
    directory, warnings = _directory(name, ring_name)
    if name and name.object and directory != "objects":
        policy_index = int(directory.partition("-")[2])
    number = ring.partition(*name) if name and not question.partition else _number(question.partition, ring)
    name_hash = ring.hash_path.hex(*name) if name and not question.partition else None
    return ring, Place(directory, number, name, name_hash, policy_index), warnings


def _directory(name: EntityName | None, ring_name: str | None) -> tuple[str, list[str]]:
    """Where on a device it is, and what is odd about asking that ring."""
    policy = (ring_name or "").removeprefix("object-")
    objects = f"objects-{policy}" if policy.isdecimal() and ring_name == f"object-{policy}" else "objects"
    if name is None:
        return (objects if objects != "objects" else f"{ring_name}s"), []
    if name.object:
        return objects, []
    kind, said = ("container", "account/container") if name.container else ("account", "account")
    odd = ring_name not in (None, kind)
    return f"{kind}s", [f'WARNING: {said} specified but ring not named "{kind}"'] if odd else []


def _number(text: str | None, ring: Ring) -> int:
    if text is None or not text.isdecimal() or int(text) >= ring.partition_count:
        raise ToolError(f"{text!r} is no partition of {ring.path}, which has 0 to {ring.partition_count - 1}")
    return int(text)


def name_lines(name: EntityName | None) -> list[str]:
    """The names, percent-encoded, so that any of them fits on a line."""
    if name is None:
        return []
    lines = ["", f"Account  \t{quote_path(name.account)}"]
    if name.container:
        lines.append(f"Container\t{quote_path(name.container)}")
    if name.object:
        lines += [f"Object   \t{quote_path(name.object)}", "", ""]
    return lines


def _swift_dir(words: Sequence[str]) -> str:
    """Where swift.conf is when nobody says: beside the ring that is named, if there is one; else in /etc/swift."""
    beside = os.path.dirname(os.path.abspath(words[0])) if words and words[0].endswith(RING_SUFFIX) else ""
    return beside if beside and os.path.exists(os.path.join(beside, "swift.conf")) else "/etc/swift"


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool.

    :returns: 0 done, 1 bad input
    """
    arguments = parser("swiftlite-get-nodes", USAGE, DESCRIPTION)
    arguments.add_argument("-a", "--all", action="store_true", help="show all handoff nodes")
    arguments.add_argument("-p", "--partition", metavar="PARTITION", help="show the nodes of this partition")
    arguments.add_argument("-P", "--policy-name", metavar="NAME", help="take the object ring of this storage policy")
    add_swift_dir(arguments)
    arguments.add_argument("-Q", "-q", "--quoted", action="store_true", help="the names given are percent-encoded")
    arguments.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    arguments.set_defaults(swift_dir=None)
    options = arguments.parse_intermixed_args(argv)
    options.swift_dir = options.swift_dir or _swift_dir(options.words)
    conf = SwiftConf.load(options.swift_dir)
    try:
        if options.policy_name and conf.policies.by_name(options.policy_name) is None:
            raise BadQuestion(f"No policy named {options.policy_name!r}")
        question = Question.from_options(options)
    except BadQuestion as error:
        arguments.print_help()
        print(f"ERROR: {error}", file=sys.stderr)
        return FAILURE
    ring, place, warnings = find(question, conf, options.swift_dir)
    print("\n".join([*warnings, *name_lines(place.name), *location_lines(ring, place, options.all)]))
    return SUCCESS
