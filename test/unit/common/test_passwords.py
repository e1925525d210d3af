"""Passwords and their hashes: which match, which cannot be used, and how often there is anything to compute."""

import sys

import pytest

from swiftlite.common import passwords
from swiftlite.common.passwords import LABEL, Passwords, hash_password, is_hashed

HASH = "$argon2id$v=19$m=1024,t=1,p=1$PZW6nztVIvhqJg3UM3ncfg$S6JkujxVVZvOHSEQRccqd0eQyOaJf8IkDhpwGz82xYQ"
"""Of "right"."""


class Counted(Passwords):
    """Counts the hashes that are computed."""

    hashes = 0

    def _verify(self, stored, password):
        self.hashes += 1
        return super()._verify(stored, password)


@pytest.mark.parametrize(
    ("stored", "given", "matches"),
    [
        ("right", "right", True),
        ("right", "wrong", False),
        ("right", "", False),
        ("", "", False),
        (None, "", False),
        (None, "right", False),
        ("plätz\udcff", "plätz\udcff", True),
        (HASH, "right", True),
        (LABEL + HASH, "right", True),
        (HASH, "wrong", False),
        (HASH, HASH, False),
        (HASH, "\udcff", False),
    ],
)
def test_which_match(stored, given, matches):
    assert Passwords([stored or "", HASH]).match(stored, given) is matches


def test_a_right_password_is_hashed_once():
    compared = Counted([HASH])
    assert [compared.match(HASH, "right") for _ in range(3)] == [True] * 3
    assert compared.hashes == 1


def test_every_wrong_password_costs_the_same():
    compared = Counted([HASH])
    for number, stored in enumerate((HASH, None, "plain", "another"), 1):
        assert not compared.match(stored, "wrong")
        assert compared.hashes == number


def test_where_all_are_plain_nothing_is_hashed():
    compared = Counted(["right"])
    assert not compared.match("right", "wrong") and not compared.match(None, "wrong")
    assert compared.hashes == 0


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(passwords, "REMEMBERED", 1)
    other = hash_password("other")
    compared = Counted([HASH, other])
    assert compared.match(HASH, "right") and compared.match(other, "other") and compared.match(HASH, "right")
    assert compared.hashes == 3


@pytest.mark.parametrize("word", ["$argon2id$", LABEL, LABEL + "right", "$argon2id$v=19$m=65536,t=3$x"])
def test_hashes_that_are_none(word):
    assert is_hashed(word)
    with pytest.raises(ValueError, match="none"):
        Passwords([word])


def test_the_library_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "argon2", None)
    with pytest.raises(ValueError, match="argon2-cffi"):
        Passwords([HASH])
    assert Passwords(["plain"]).match("plain", "plain")
