"""Which servers are left alone because they do not answer."""

from __future__ import annotations

import pytest

from swiftlite.wire.peers import LEFT_ALONE, SILENCES, PeerFailed, PeerSilent, Silences

PEER, OTHER = ("10.0.0.1", 6200), ("10.0.0.2", 6200)
SILENT, REFUSED = PeerSilent("no answer"), PeerFailed("answered 503", 503)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def silences(clock: Clock) -> Silences:
    return Silences(clock)


def test_who_was_silent_too_often_is_left_alone_for_a_while(silences: Silences, clock: Clock) -> None:
    for _ in range(SILENCES):
        silences.check(PEER)
        silences.failed(PEER, SILENT)
    with pytest.raises(PeerFailed, match="6200 did not answer lately") as refused:
        silences.check(PEER)
    silences.failed(PEER, refused.value)  # as who asks does with every failure
    silences.check(OTHER)
    clock.now += LEFT_ALONE
    silences.check(PEER)
    silences.failed(PEER, SILENT)  # once more is enough
    with pytest.raises(PeerFailed):
        silences.check(PEER)


@pytest.mark.parametrize("answer", ["success", "refusal"])
def test_an_answer_ends_a_row_of_silences(answer: str, silences: Silences) -> None:
    for _ in range(SILENCES):
        silences.failed(PEER, SILENT)
        if answer == "success":
            silences.answered(PEER)
        else:
            silences.failed(PEER, REFUSED)
    silences.check(PEER)
