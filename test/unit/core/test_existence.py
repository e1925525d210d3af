"""Specifies whether an object is there, by what those say that were to change it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.existence import Found, is_gone, unrefuted
from swiftlite.core.quorum import Reply
from swiftlite.core.timestamp import Timestamp


def found(base, newest=None):
    return Found(Timestamp(base), Timestamp(newest or base))


def reply(status, base=None, newest=None):
    return Reply(status, headers={} if base is None else found(base, newest).to_headers())


MOMENTS = st.integers(1, 5)
FOUND = st.builds(lambda base, later: found(base, base + later), MOMENTS, st.integers(0, 3))


@given(FOUND)
def test_what_was_found_survives_the_wire(what):
    assert Found.from_headers(what.to_headers()) == what


@pytest.mark.parametrize("text", ["", "1", "1 2 3", "a b", "-1 2", "1.00000"])
def test_what_cannot_be_read_says_nothing(text):
    assert Found.from_headers({"X-Backend-Found": text}) is None


@pytest.mark.parametrize(
    ("replies", "there"),
    [
        ([], False),
        ([reply(404), reply(404), reply(404)], False),
        ([reply(503), reply(404, 1)], False),
        # The object was put while two were away, or a handoff stands in.
        ([reply(204, 5), reply(404), reply(404)], True),
        # It was put again over a tombstone, of which only one server has heard.
        ([reply(204, 5), reply(404, 3), reply(404, 3)], True),
        # It was deleted while one was away.
        ([reply(204, 3), reply(404, 5), reply(404)], False),
        ([reply(202, 3), reply(404, 5), reply(404, 5)], False),
        # A POST to what was deleted does not bring it back.
        ([reply(202, 3, 7), reply(404, 5)], False),
        # One has missed the POST that let it expire, or that put the expiry off.
        ([reply(204, 3), reply(404, 3, 5)], False),
        ([reply(204, 3, 5), reply(404, 3)], True),
        ([reply(204, 3), reply(204, 6), reply(404, 5)], True),
        # OpenStack Swift's do not say when it was put: then nothing can refute it.
        ([reply(204), reply(404, 5)], True),
        ([reply(204, 3), reply(204), reply(404, 5)], True),
    ],
)
def test_a_404_refutes_only_with_a_newer_deletion(replies, there):
    assert (unrefuted(replies) is not None) is there


@given(st.lists(st.builds(reply, st.sampled_from([202, 204, 404, 409, 503]), MOMENTS), max_size=5), st.randoms())
def test_the_newest_that_anyone_knows_decides(replies, random):
    random.shuffle(replies)
    newest = max((Found.from_headers(r.headers) for r in replies if r.status in (202, 204, 404)), default=None)
    holders = {r.status for r in replies if Found.from_headers(r.headers) == newest}
    answer = unrefuted(replies)
    assert (answer is not None) is bool(holders & {202, 204})
    assert answer is None or answer.status in (202, 204)


@pytest.mark.parametrize(
    ("missing", "gone"),
    [
        ([], False),
        ([(True, reply(404)), (True, reply(404))], True),
        ([(True, reply(404)), (False, reply(404)), (False, reply(404))], False),
        ([(True, reply(404)), (False, reply(404, 3))], True),
        ([(False, reply(404, 3)), (False, reply(404, 3))], True),
    ],
)
def test_a_handoff_knows_nothing_but_deletions(missing, gone):
    assert is_gone(missing, 2) is gone
