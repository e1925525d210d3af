"""Watchdog: silence of one process is silence of all above it."""

import os
import socket

import pytest

from swiftlite.common import notify
from swiftlite.common.watchdog import Watchdog, is_stuck


@pytest.mark.parametrize(
    ("notes", "stuck"), [([], False), ([100.0], False), ([95.0], False), ([94.9], True), ([100.0, 80.0], True)]
)
def test_half_of_the_limit_counts(notes, stuck):
    assert is_stuck(notes, 100.0, 10.0) == stuck


@pytest.fixture
def heard(tmp_path, monkeypatch):
    """What systemd is told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "2000000")

        def hear():
            try:
                return channel.recv(1000).decode()
            except BlockingIOError:
                return ""

        yield hear


def test_it_beats_only_where_systemd_asks(heard, monkeypatch):
    for pid, limit in ((str(os.getpid()), 2.0), (str(os.getpid() + 1), 0.0)):
        monkeypatch.setenv("WATCHDOG_PID", pid)
        dog = Watchdog()
        dog.start()
        assert dog.limit == limit
        dog.beat()
        assert heard() == ("WATCHDOG=1" if limit else "")


def test_it_does_not_chatter(heard, monkeypatch):
    dog = Watchdog()
    dog.start()
    monkeypatch.setattr("swiftlite.common.watchdog.monotonic", lambda: 1000.0)
    for _ in range(1000):
        dog.beat()
    assert heard() == "WATCHDOG=1" and heard() == ""


def test_a_child_that_hangs_is_heard_of_at_the_top(heard, monkeypatch):
    top, child, grandchild = Watchdog(), Watchdog(), Watchdog()
    top.start()
    for parent, made in ((top, child), (child, grandchild)):
        made.limit = top.limit
        cell = parent.new_child("a")
        monkeypatch.setattr(made, "keep_beating", lambda: None)
        made.become(cell)
    moment = [0.0]
    monkeypatch.setattr("swiftlite.common.watchdog.monotonic", lambda: moment[0])

    def pass_time(seconds, *beating):
        said = []
        for _ in range(int(seconds * 10)):
            moment[0] += 0.1
            for one in beating:
                one.beat()
            said.append(heard())
        return [text for text in said if text]

    top._children["a"][0] = child._children["a"][0] = 0.0
    assert 5 <= len(pass_time(3, grandchild, child, top)) <= 6 and not top.is_silent
    pass_time(3, child, top)
    assert child.is_silent and top.is_silent
    assert pass_time(1, child, top) == []
    assert pass_time(1, grandchild, child, top) and not top.is_silent
    child.forget("a")
    assert pass_time(3, child, top) and not top.is_silent


def test_a_reload_is_told_with_its_moment(heard):
    notify.reloading()
    first, second = heard().split("\n")
    assert first == "RELOADING=1" and second.removeprefix("MONOTONIC_USEC=").isdecimal()
