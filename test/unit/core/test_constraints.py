"""Limits: each one at its boundary, with the status and the text that the client gets (formats.md 7.1)."""

import pytest

from swiftlite.core.constraints import (
    Constraints,
    Violation,
    check_account_name,
    check_container_name,
    check_metadata,
    check_object_name,
    check_object_put,
    check_path_text,
    has_reserved_parameter,
)

LIMITS = Constraints()


def refused(status, message):
    return pytest.raises(Violation, match=message, check=lambda violation: violation.status == status)


def test_names_end_at_their_limit():
    check_object_name(LIMITS, "é" * 1024)
    check_container_name(LIMITS, "a", "c" * 256)
    check_container_name(LIMITS, ".a", "c" * 512)
    check_account_name(LIMITS, "a" * 256)
    with refused(400, "Object name length of 1025 longer than 1024"):
        check_object_name(LIMITS, "o" * 1025)
    with refused(400, "Container name length of 257 longer than 256"):
        check_container_name(LIMITS, "a", "c" * 257)
    with refused(400, "Account name length of 257 longer than 256"):
        check_account_name(LIMITS, "a" * 257)


@pytest.mark.parametrize("path", ["/v1/a/\x00", "/v1/a/\xff", "/v1/a/\xc3"])
def test_bad_paths_get_412(path):
    with refused(412, "Invalid UTF8 or contains NULL"):
        check_path_text(path)


def test_reserved_names_pass_where_allowed():
    check_path_text("/v1/a/\x00c", allow_reserved=True)
    check_path_text("/v1/a/\xc3\xa9")


def metadata(count, name_length=3, value_length=3):
    return [(f"X-Object-Meta-{number:0{name_length}d}", "v" * value_length) for number in range(count)]


def test_metadata_at_the_limits_passes():
    check_metadata(LIMITS, metadata(90), "object")
    check_metadata(LIMITS, metadata(1, name_length=128, value_length=256), "object")
    check_metadata(LIMITS, metadata(16, name_length=6, value_length=250), "object")
    check_metadata(LIMITS, [("X-Object-Meta-K", "\xff")], "object")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (metadata(91), "Too many metadata items; max 90"),
        (metadata(1, name_length=129), "Metadata name too long"),
        (metadata(1, value_length=257), "Metadata value longer than 256"),
        (metadata(17, name_length=6, value_length=250), "Total metadata too large; max 4096"),
        ([("X-Object-Meta-", "v")], "Metadata name cannot be empty"),
        ([("Content-Disposition", "v" * 8193)], "Header value too long"),
    ],
)
def test_metadata_beyond_the_limits_get_400(headers, message):
    with refused(400, message):
        check_metadata(LIMITS, headers, "object")


def test_container_metadata_must_be_utf8():
    with refused(400, "Metadata must be valid UTF-8"):
        check_metadata(LIMITS, [("X-Container-Meta-K", "\xff")], "container")


@pytest.mark.parametrize(
    ("length", "chunked", "content_type", "status"),
    [
        (None, False, "a/b", 411),
        (5368709123, False, "a/b", 413),
        (1, False, None, 400),
        (1, False, "a/\xff", 400),
    ],
)
def test_object_puts_that_are_refused(length, chunked, content_type, status):
    with refused(status, "."):
        check_object_put(LIMITS, "o", length, chunked, content_type)


def test_object_puts_that_pass():
    check_object_put(LIMITS, "o", 5368709122, False, "a/b")
    check_object_put(LIMITS, "o", None, True, "a/b")


@pytest.mark.parametrize("content_type", ["a/b;swift_bytes=5", "a/b; swift_bytes=5; c=d", "a/b;c=d;\tswift_x"])
def test_parameters_of_manifests_are_reserved(content_type):
    assert has_reserved_parameter(content_type)


@pytest.mark.parametrize("content_type", ["a/b", "swift_a/b", "a/b;charset=swift_x", "a/b;swift=1"])
def test_other_parameters_are_not(content_type):
    assert not has_reserved_parameter(content_type)


def test_options_replace_defaults_and_unknown_names_do_not_matter():
    limits = Constraints.from_options({"max_file_size": "7", "valid_api_versions": "v1, v2", "colour": "red"})
    assert (limits.max_file_size, limits.valid_api_versions) == (7, ("v1", "v2"))
    with pytest.raises(ValueError, match="max_meta_count"):
        Constraints.from_options({"max_meta_count": "many"})


def test_info_hides_what_clients_need_not_know():
    shown = LIMITS.for_info()
    assert shown["max_file_size"] == 5368709122
    assert "valid_api_versions" not in shown and "auto_create_account_prefix" not in shown
