"""Signatures: the recorded vector, and that every part of a request counts."""

from __future__ import annotations

import pytest

from swiftlite.core.signature import container_sync_signature, is_one_of

SIGNED = ("PUT", "/v1/AUTH_t/c/o", "1402464677.04188", "nonce", "rk", "uk")
RECORDED = "db382207ed10635d01c28edd339e7e2075af64c0"
"""As OpenStack Swift signs it (formats.md 11)."""


def test_it_is_the_recorded_one() -> None:
    assert container_sync_signature(*SIGNED) == RECORDED


@pytest.mark.parametrize("part", range(len(SIGNED)))
def test_every_part_counts(part: int) -> None:
    changed = [*SIGNED]
    changed[part] += "x"
    assert container_sync_signature(*changed) != RECORDED


def test_keys_are_utf8() -> None:
    assert container_sync_signature(*SIGNED[:4], "rké", "uké") != container_sync_signature(*SIGNED[:4], "rk?", "uk?")


@pytest.mark.parametrize(
    ("shown", "expected", "answer"),
    [
        (RECORDED, [RECORDED], True),
        (RECORDED, ["other", RECORDED], True),
        (RECORDED, [RECORDED, "other"], True),
        (RECORDED.upper(), [RECORDED], False),
        (RECORDED[:-1], [RECORDED], False),
        ("", [RECORDED], False),
        ("é\xff", [RECORDED], False),
        (RECORDED, [], False),
    ],
)
def test_only_a_whole_signature_is_good(shown: str, expected: list[str], answer: bool) -> None:
    assert is_one_of(shown, expected) is answer
