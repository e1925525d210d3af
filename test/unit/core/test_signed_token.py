"""Signed tokens: they say what they were made to say, and nothing that was not signed is believed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.signed_token import LONGEST, START, Claims, derive_id, derive_key, fingerprint, sign, verify

KEY = derive_key(b"secret")
CLAIMS = Claims(
    user="test:tester",
    project="test",
    issued=1000,
    expires=2000,
    audit="a-1",
    parent="a-0",
    entry="f",
    methods=("password", "token"),
    credential="c",
    roles=("member",),
)
TOKEN = sign(KEY, CLAIMS)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= \n\x00\xe9/+"


def test_a_token_says_what_was_signed():
    assert verify(KEY, TOKEN) == CLAIMS
    unscoped = replace(CLAIMS, project="", roles=None, credential="")
    assert verify(KEY, sign(KEY, unscoped)) == unscoped


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 2**40))
def test_any_names_survive(user, project, issued):
    claims = replace(CLAIMS, user=user, project=project, issued=issued)
    assert verify(KEY, sign(KEY, claims)) == claims


def test_a_header_can_carry_it():
    assert TOKEN.startswith(START)
    assert set(TOKEN) <= set(ALPHABET[:65])


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(ALPHABET))
def test_no_altered_character_goes_unnoticed(place, character):
    altered = TOKEN[:place] + character + TOKEN[place + 1 :]
    assert (verify(KEY, altered) == CLAIMS) == (altered == TOKEN)
    assert altered == TOKEN or verify(KEY, altered) is None


@given(st.integers(0, len(TOKEN)), st.text(ALPHABET, min_size=1, max_size=4))
def test_nothing_can_be_put_in(place, text):
    assert verify(KEY, TOKEN[:place] + text + TOKEN[place:]) is None


@given(st.integers(0, len(TOKEN) - 1))
def test_a_part_is_no_token(length):
    assert verify(KEY, TOKEN[:length]) is None


@given(st.text(max_size=100))
def test_nothing_made_up_is_a_token(text):
    assert verify(KEY, text) is None
    assert verify(KEY, START + text) is None


@given(st.binary(min_size=1, max_size=64))
def test_another_key_signs_nothing(secret):
    assert (verify(derive_key(secret), TOKEN) is None) == (secret != b"secret")


def test_what_is_too_long_is_not_looked_at():
    assert verify(KEY, sign(KEY, replace(CLAIMS, user="u" * LONGEST))) is None


def test_claims_of_another_version_are_not_understood(monkeypatch):
    import swiftlite.core.signed_token as module

    monkeypatch.setattr(module, "asdict", lambda claims: {"user": claims.user})
    assert verify(KEY, sign(KEY, CLAIMS)) is None


def test_the_key_is_not_the_secret():
    assert KEY != b"secret" and derive_key(b"secret") == KEY and derive_key(b"secret2") != KEY


@pytest.mark.parametrize("other", [["ab", "c"], ["abc"], ["a", "b", "c"], ["a", "bc", ""], ["bc", "a"]])
def test_fingerprints_tell_entries_apart(other):
    assert fingerprint(KEY, ["a", "bc"]) == fingerprint(KEY, ["a", "bc"]) != fingerprint(KEY, other)
    assert fingerprint(KEY, ["a", "bc"]) != fingerprint(derive_key(b"x"), ["a", "bc"])


def test_ids_are_stable():
    # Clients and other services keep them: they must be what they were.
    assert derive_id("user", "test:tester") == "1163509cb7fb9fd757174f3aebac08c3"
    assert derive_id("role", "member") != derive_id("user", "member")
