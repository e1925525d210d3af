"""swiftlite-object-info: what a file of an object says of itself, whether its body is whole, and where it belongs."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from swiftlite.cli.locations import locate, location_lines
from swiftlite.cli.tool import (
    SUCCESS,
    ToolError,
    add_drop_prefixes,
    add_swift_dir,
    parser,
    ring_if_any,
    swift_conf_of,
    tool,
)
from swiftlite.common.fs import FileSystem
from swiftlite.common.policies import StoragePolicies, StoragePolicy
from swiftlite.core.json_text import load_json
from swiftlite.core.metadata import (
    SYSTEM_PREFIX,
    TRANSIENT_PREFIX,
    USER_PREFIX,
    is_system_metadata,
    is_transient_metadata,
    is_user_metadata,
)
from swiftlite.core.names import EntityName, HashPath, split_path, wsgi_to_str
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import xattrs

CHUNK = 1 << 20
CRYPTO_DETAILS = {
    "Data crypto details": "X-Object-Sysmeta-Crypto-Body-Meta",
    "Metadata crypto details": "X-Object-Transient-Sysmeta-Crypto-Meta",
}

USAGE = "[options] <object file>"
DESCRIPTION = """Show what a .data, .meta or .ts file says of its object, and check the body against it.
Nothing is changed or quarantined, whatever the file is like."""


@dataclass(frozen=True)
class ObjectFile:
    """A file of an object as it is found.

    :ivar metadata: native strings, without those that follow
    :ivar etag: what the metadata say; empty: nothing
    :ivar length: what they say of the body's length
    :ivar size: bytes that the body has
    :ivar digest: MD5 of the body; None: not computed
    """

    metadata: Mapping[str, str]
    etag: str
    length: str
    size: int
    digest: str | None


def read(path: str, check_etag: bool) -> ObjectFile:
    """Read a file and its metadata.

    :param check_etag: read the body too
    :raises ToolError: when it cannot be read, or is no object's
    """
    if not os.path.exists(path):
        raise ToolError("Data file doesn't exist")
    if not os.path.isfile(path):  # opening a FIFO would wait for a writer
        raise ToolError(f"{path} is not a file")
    with open(path, "rb") as file:
        try:
            stored = xattrs.read(FileSystem(), file.fileno())
        except (xattrs.BadMetadata, xattrs.AttributesUnsupported) as error:
            raise ToolError(f"Invalid metadata: {error}") from None
        size, digest = os.fstat(file.fileno()).st_size, None
        if check_etag:
            md5 = hashlib.md5(usedforsecurity=False)
            while chunk := file.read(CHUNK):
                md5.update(chunk)
            digest = md5.hexdigest()
    try:
        metadata = {wsgi_to_str(key): value if key == "name" else wsgi_to_str(value) for key, value in stored.items()}
    except UnicodeEncodeError as error:  # characters that are no bytes: no server wrote them
        raise ToolError(f"Invalid metadata: {error}") from None
    return ObjectFile(metadata, metadata.pop("ETag", ""), metadata.pop("Content-Length", ""), size, digest)


def name_of(metadata: Mapping[str, str]) -> EntityName | None:
    """The object that metadata name; None when they name none.

    :raises ToolError: when that is no object's path
    """
    path = metadata.get("name", "")
    if not path:
        return None
    try:
        return EntityName(*split_path(path, 3, 3, rest_with_last=True))  # type: ignore[arg-type]
    except ValueError:
        raise ToolError(f"Invalid metadata: Path is invalid for object {path!r}") from None


def metadata_lines(metadata: Mapping[str, str], hash_path: HashPath, drop_prefixes: bool) -> Iterator[str]:
    """Lines that show an object's name, its main metadata, and the rest kind by kind.

    :raises ToolError: when the name or the timestamp is none
    """
    name = name_of(metadata)
    if name is None:
        yield "Path: Not found in metadata"
    else:
        yield f"Path: {name.path}"
        yield f"  Account: {name.account}"
        yield f"  Container: {name.container}"
        yield f"  Object: {name.object}"
        yield f"  Object hash: {hash_path.hex(*name)}"
    yield f"Content-Type: {metadata.get('Content-Type') or 'Not found in metadata'}"
    yield f"Timestamp: {_moment(metadata.get('X-Timestamp'))}"
    rest = {key: value for key, value in metadata.items() if key not in ("name", "Content-Type", "X-Timestamp")}
    yield from _section("System Metadata:", rest, is_system, len(SYSTEM_PREFIX["object"]) * drop_prefixes)
    yield from _section(
        "Transient System Metadata:", rest, is_transient_metadata, len(TRANSIENT_PREFIX) * drop_prefixes
    )
    yield from _section("User Metadata:", rest, is_user, len(USER_PREFIX["object"]) * drop_prefixes)
    yield from _section("Other Metadata:", rest, is_other, 0)
    for label, key in CRYPTO_DETAILS.items():
        if key in rest:
            yield f"{label}: {_crypto_details(rest[key])}"


def is_system(key: str) -> bool:
    """Whether it is system metadata of an object."""
    return is_system_metadata("object", key)


def is_user(key: str) -> bool:
    """Whether it is user metadata of an object."""
    return is_user_metadata("object", key)


def is_other(key: str) -> bool:
    """Whether it is neither of the two, nor transient system metadata."""
    return not (is_system(key) or is_user(key) or is_transient_metadata(key))


def _moment(text: str | None) -> str:
    try:
        timestamp = Timestamp(text or 0)
    except ValueError as error:
        raise ToolError(f"Invalid metadata: X-Timestamp: {error}") from None
    return f"{timestamp.isoformat} ({timestamp.internal})" if timestamp else "Not found in metadata"


def _section(title: str, metadata: Mapping[str, str], belongs: Any, dropped: int) -> Iterator[str]:
    yield title
    found = sorted((key[dropped:], value) for key, value in metadata.items() if belongs(key))
    yield from (f"  {key}: {value}" for key, value in found) if found else ["  No metadata found"]


def _crypto_details(text: str) -> str:
    """What a keymaster noted with an encrypted object, spread over lines."""
    try:
        return json.dumps(load_json(unquote_plus(text)), indent=2, sort_keys=True, separators=(",", ": "))
    except ValueError:
        return f"cannot be read: {text}"


def check_lines(found: ObjectFile) -> Iterator[str]:
    """Lines that say whether the body is what the metadata say."""
    if found.digest is None:
        yield f"ETag: {found.etag} (not checked)"
    elif not found.etag:
        yield "ETag: Not found in metadata"
    elif found.digest == found.etag:
        yield f"ETag: {found.etag} (valid)"
    else:
        yield f"ETag: {found.etag} doesn't match file hash of {found.digest}!"
    if not found.length:
        yield "Content-Length: Not found in metadata"
    elif str(found.size) == found.length:
        yield f"Content-Length: {found.length} (valid)"
    else:
        yield f"Content-Length: {found.length} doesn't match file length of {found.size}"


def policy_of_path(path: str, policies: StoragePolicies) -> StoragePolicy:
    """The policy whose directory a path goes through; policy 0 when that cannot be told."""
    found = re.search(r".*objects(-\d+)?/", path)
    policy = policies.by_index((found[1] or "").lstrip("-") if found else 0)
    return policy or policies.by_index(0)  # type: ignore[return-value]


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool.

    :returns: 0 done, also when the body is not what it should be; 1 bad input
    """
    arguments = parser("swiftlite-object-info", USAGE, DESCRIPTION)
    arguments.add_argument(
        "-n", "--no-check-etag", action="store_false", dest="check_etag", help="do not read the body to check its hash"
    )
    add_swift_dir(arguments)
    add_drop_prefixes(arguments)
    arguments.add_argument("-P", "--policy-name", metavar="NAME", help="the storage policy that the file should be of")
    arguments.add_argument("file", metavar="<object file>")
    options = arguments.parse_intermixed_args(argv)
    conf = swift_conf_of(options)
    policy = policy_of_path(os.path.abspath(options.file), conf.policies)
    ring = ring_if_any(options.swift_dir, policy.ring_name, conf.hash_path)
    if options.policy_name:
        named = conf.policies.by_name(options.policy_name)
        if named is None:
            raise ToolError(f"No policy named {options.policy_name!r}")
        if named != policy:
            print("WARNING: Ring does not match policy!\nDouble check your policy name!")
        if ring is None:
            policy, ring = named, ring_if_any(options.swift_dir, named.ring_name, conf.hash_path)
    found = read(options.file, options.check_etag)
    print("\n".join([*metadata_lines(found.metadata, conf.hash_path, options.drop_prefixes), *check_lines(found)]))
    name = name_of(found.metadata)
    if ring is not None and name is not None:
        print("\n".join(location_lines(ring, locate(ring, policy.objects_dir, name, policy.index))))
    return SUCCESS
