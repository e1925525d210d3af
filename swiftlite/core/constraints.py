"""Limits on names, headers and sizes, and the answers to what breaks them (formats.md 7.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields

from swiftlite.core.metadata import USER_PREFIX, Kind

API_VERSIONS = ("v1", "v1.0")
HIDDEN_FROM_INFO = ("auto_create_account_prefix", "valid_api_versions")


class Violation(Exception):
    """A request breaks a limit.

    :param status: the HTTP status that the client gets
    :param message: the body that says why
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Constraints:
    """The options of ``[swift-constraints]``; sizes in bytes, name lengths in characters."""

    max_file_size: int = 5368709122
    max_meta_name_length: int = 128
    max_meta_value_length: int = 256
    max_meta_count: int = 90
    max_meta_overall_size: int = 4096
    max_header_size: int = 8192
    extra_header_count: int = 0
    max_object_name_length: int = 1024
    max_container_name_length: int = 256
    max_account_name_length: int = 256
    container_listing_limit: int = 10000
    account_listing_limit: int = 10000
    valid_api_versions: tuple[str, ...] = API_VERSIONS
    auto_create_account_prefix: str = "."

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> Constraints:
        """Read the options of a conf section; names that are no constraint are ignored.

        :raises ValueError: naming the option whose value is no number
        """
        values: dict[str, object] = {}
        for field in fields(cls):
            text = options.get(field.name)
            if text is None:
                continue
            if field.name == "valid_api_versions":
                values[field.name] = tuple(part.strip() for part in text.split(",") if part.strip())
            elif field.name == "auto_create_account_prefix":
                values[field.name] = text
            else:
                try:
                    values[field.name] = int(text)
                except ValueError:
                    raise ValueError(f"{field.name} = {text!r} is not a whole number") from None
        return cls(**values)  # type: ignore[arg-type]

    @property
    def max_header_count(self) -> int:
        """How many header lines a request may have."""
        return self.max_meta_count + 36 + self.extra_header_count

    def for_info(self) -> dict[str, object]:
        """What ``/info`` shows of them."""
        return {name: value for name, value in asdict(self).items() if name not in HIDDEN_FROM_INFO}


def is_auto_create(constraints: Constraints, account: str) -> bool:
    """Whether storage servers create this account's databases by themselves (formats.md 1.8)."""
    return account.startswith(constraints.auto_create_account_prefix)


def check_path_text(path: str, allow_reserved: bool = False) -> None:
    """Refuse a WSGI path that is no UTF-8 or holds NUL.

    :raises Violation: 412
    """
    if path.isascii() and (allow_reserved or "\x00" not in path):
        return
    try:
        path.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise Violation(412, "Invalid UTF8 or contains NULL") from None
    if not allow_reserved and "\x00" in path:
        raise Violation(412, "Invalid UTF8 or contains NULL")


def _check_length(kind: str, name: str, limit: int) -> None:
    if len(name) > limit:
        raise Violation(400, f"{kind} name length of {len(name)} longer than {limit}")


def check_account_name(constraints: Constraints, account: str) -> None:
    """Refuse an account name (native text) that is too long.

    :raises Violation: 400
    """
    _check_length("Account", account, constraints.max_account_name_length * _name_factor(constraints, account))


def check_container_name(constraints: Constraints, account: str, container: str) -> None:
    """Refuse a container name (native text) that is too long.

    :raises Violation: 400
    """
    _check_length("Container", container, constraints.max_container_name_length * _name_factor(constraints, account))


def check_object_name(constraints: Constraints, name: str) -> None:
    """Refuse an object name (native text) that is too long.

    :raises Violation: 400
    """
    _check_length("Object", name, constraints.max_object_name_length)


def _name_factor(constraints: Constraints, account: str) -> int:
    return 2 if is_auto_create(constraints, account) else 1


def check_metadata(constraints: Constraints, headers: Iterable[tuple[str, str]], kind: Kind) -> None:
    """Refuse user metadata beyond the limits; lengths are those of the WSGI strings, so bytes.

    What databases store is text: no header of an account or container may be anything but UTF-8.

    :raises Violation: 400
    """
    prefix = USER_PREFIX[kind]
    count = size = 0
    for key, value in headers:
        if len(value) > constraints.max_header_size:
            raise Violation(400, f"Header value too long: {key[: constraints.max_meta_name_length]}")
        if kind != "object":
            _check_utf8_metadata(key, value)
        if not key.lower().startswith(prefix):
            continue
        name = key[len(prefix) :]
        count += 1
        size += len(name) + len(value)
        _check_one(constraints, name, value, kind)
    if count > constraints.max_meta_count:
        raise Violation(400, f"Too many metadata items; max {constraints.max_meta_count}")
    if size > constraints.max_meta_overall_size:
        raise Violation(400, f"Total metadata too large; max {constraints.max_meta_overall_size}")


def _check_one(constraints: Constraints, name: str, value: str, kind: Kind) -> None:
    if not name:
        raise Violation(400, "Metadata name cannot be empty")
    if len(name) > constraints.max_meta_name_length:
        raise Violation(400, f"Metadata name too long: {USER_PREFIX[kind]}{name}")
    if len(value) > constraints.max_meta_value_length:
        raise Violation(
            400,
            f"Metadata value longer than {constraints.max_meta_value_length}: {USER_PREFIX[kind]}{name}",
        )


def _check_utf8_metadata(name: str, value: str) -> None:
    try:
        for text in (name, value):
            text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise Violation(400, "Metadata must be valid UTF-8") from None


def check_object_put(
    constraints: Constraints, name: str, content_length: int | None, chunked: bool, content_type: str | None
) -> None:
    """Refuse an object PUT whose name, length or content type cannot be accepted.

    :param content_length: bytes, or None when the request does not say
    :raises Violation: 400, 411 or 413
    """
    if content_length is None and not chunked:
        raise Violation(411, "Missing Content-Length header.")
    if content_length is not None and content_length > constraints.max_file_size:
        raise Violation(413, "Your request is too large.")
    check_object_name(constraints, name)
    if content_type is None:
        raise Violation(400, "No content type")
    check_content_type(content_type)


def check_content_type(content_type: str) -> None:
    """Refuse a content type, as a WSGI string, that is no UTF-8.

    :raises Violation: 400
    """
    try:
        content_type.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise Violation(400, "Invalid Content-Type") from None


def has_reserved_parameter(content_type: str) -> bool:
    """Tell whether a content type has a parameter that only large objects may have (formats.md 7.15)."""
    return any(parameter.lstrip().startswith("swift_") for parameter in content_type.split(";")[1:])
