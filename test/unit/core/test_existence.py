"""Specifies whether an object is there, by what those say that were to change it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.existence import deletion, is_gone, unrefuted
from swiftlite.core.quorum import Reply, Tally
from swiftlite.core.timestamp import Timestamp


def reply(status, found=None):
    return Reply(status, found=Timestamp(found) if found else None)


MOMENTS = st.integers(1, 5)


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
        # It has expired there; a replica that missed the POST that let it takes another one that puts the expiry off.
        ([reply(202, 3), reply(404, 3), reply(404, 3)], True),
        ([reply(204, 3), reply(204, 6), reply(404, 5)], True),
        # OpenStack Swift's do not say when it was put: then nothing can refute it.
        ([reply(204), reply(404, 5)], True),
        ([reply(204, 3), reply(204), reply(404, 5)], True),
    ],
)
def test_a_404_refutes_only_with_a_newer_deletion(replies, there):
    assert (unrefuted(replies) is not None) is there


@given(st.lists(st.builds(reply, st.sampled_from([202, 204, 404, 409, 503]), MOMENTS), max_size=5))
def test_the_newest_that_anyone_knows_decides(replies):
    there = [r.found for r in replies if r.status in (202, 204)]
    gone = [r.found for r in replies if r.status == 404]
    answer = unrefuted(replies)
    assert (answer is not None) is bool(there and (not gone or max(there) >= max(gone)))
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


@pytest.mark.parametrize(
    ("replies", "status"),
    [
        ([reply(204), reply(404), reply(404)], 204),
        ([reply(204), reply(404), reply(503)], 204),
        ([reply(204, 3), reply(404, 5), reply(503)], 404),
        ([reply(204, 3), reply(204, 3), reply(404, 5)], 204),
        ([reply(204, 3), reply(404, 5), reply(404)], 404),
        ([reply(404), reply(404), reply(503)], 404),
        ([reply(404), reply(503), reply(503)], None),
        ([reply(204), reply(503), reply(503)], None),
        ([reply(204), reply(404), reply(409)], 409),
        ([reply(204), reply(404), reply(403)], 204),
        ([reply(204), reply(403), reply(403)], 403),
    ],
)
def test_a_deletion_finds_what_one_server_had_if_a_quorum_has_its_tombstone(replies, status):
    tally = Tally(len(replies))
    for one in replies:
        tally.add(one)
    best = deletion(tally)
    assert (best and best.status) == status
