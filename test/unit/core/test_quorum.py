"""Specifies what replies add up to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.quorum import Reply, Tally, distinct_etags, quorum_size

STATUSES = st.sampled_from([200, 201, 202, 204, 301, 304, 400, 404, 409, 412, 416, 500, 503, 507])


def tally(statuses, expected=None):
    made = Tally(len(statuses) if expected is None else expected)
    for status in statuses:
        made.add(Reply(status))
    return made


@pytest.mark.parametrize(("replicas", "quorum"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3)])
def test_quorum_is_half_rounded_up(replicas, quorum):
    assert quorum_size(replicas) == quorum


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ([201, 201, 201], 201),
        ([201, 202, 503], 202),
        ([201, 503, 507], None),
        ([404, 404, 201], 404),
        ([404, 409, 503], 409),
        ([201, 404, 503], None),
        ([304, 304, 200], 304),
        ([204, 404], 204),
        ([503], None),
        ([], None),
    ],
)
def test_the_best_class_with_a_quorum_wins_and_its_highest_status_speaks(statuses, best):
    reply = tally(statuses, expected=max(len(statuses), 1)).best()
    assert (reply.status if reply else None) == best


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ([404, 204, 503], 204),
        ([404, 404, 204], 404),
        ([404, 503, 503], None),
        ([404, 204, 204], 204),
        ([204, 409, 404], 409),
    ],
)
def test_a_delete_counts_404_as_204_only_for_want_of_a_quorum(statuses, best):
    reply = tally(statuses).best({404: 204})
    assert (reply.status if reply else None) == best


@pytest.mark.parametrize(
    ("replicas", "statuses", "decided"),
    [
        (3, [], False),
        (3, [201], False),
        (3, [201, 201], True),
        (3, [201, 503], False),
        (3, [503, 503], True),
        (3, [404, 404], True),
        (2, [404], False),
        (2, [201], True),
        (4, [404, 404], False),
        (4, [404, 404, 404], True),
        (1, [503], True),
    ],
)
def test_it_is_decided_when_no_reply_can_change_the_class(replicas, statuses, decided):
    assert tally(statuses, replicas).decided is decided


@given(st.lists(STATUSES, min_size=1, max_size=6), st.data())
def test_what_is_decided_stays_so_whatever_comes(statuses, data):
    replicas = data.draw(st.integers(len(statuses), 7))
    growing = tally(statuses, replicas)
    if not growing.decided:
        return
    before = growing.best()
    for _ in range(growing.missing):
        growing.add(Reply(data.draw(STATUSES)))
    after = growing.best()
    assert (before and before.status // 100) == (after and after.status // 100)


@given(st.lists(STATUSES, max_size=6), st.randoms())
def test_the_order_of_replies_does_not_matter(statuses, random):
    shuffled = list(statuses)
    random.shuffle(shuffled)
    first, second = tally(statuses).best({404: 204}), tally(shuffled).best({404: 204})
    assert (first and first.status) == (second and second.status)


def test_etags_of_failures_do_not_count_and_quotes_neither():
    replies = [
        Reply(201, headers={"Etag": '"a"'}),
        Reply(201, headers={"Etag": "a"}),
        Reply(422, headers={"Etag": "b"}),
    ]
    assert distinct_etags(replies) == {"a"}


def test_what_every_node_would_refuse_counts_as_the_requests_fault():
    tally = Tally(3)
    for reply in (Reply(507, blames_request=True), Reply(201), Reply(507, "Insufficient Storage", blames_request=True)):
        assert not reply.is_server_error
        tally.add(reply)
    best = tally.best()
    assert best is not None and best.status == 507
