"""How rsync fails: whether the peer is away, or something is wrong with what was asked."""

from __future__ import annotations

import pytest

from fakes.ports import free_port
from swiftlite.wire import rsync
from swiftlite.wire.peers import PeerFailed, PeerSilent


def test_a_peer_that_is_away() -> None:
    with pytest.raises(PeerSilent, match=r"10\.0\.0\.1/sda: rsync to .* ended with 10: "):
        rsync.run([__file__, f"rsync://127.0.0.1:{free_port()}/object/sda"], "10.0.0.1/sda", 60.0)


def test_another_failure() -> None:
    with pytest.raises(PeerFailed) as failed:
        rsync.run(["--no-such-option", __file__, "/nowhere"], "10.0.0.1/sda", 60.0)
    assert not isinstance(failed.value, PeerSilent)
