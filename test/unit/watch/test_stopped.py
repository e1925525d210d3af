"""Daemons that do not run: those that should are told of, and started; those that were never meant to are not."""

from __future__ import annotations

import pytest
from unit.watch.test_rules import DAY, NOW, disk, healthy, managed, together, told

from functional.remedies import problem
from swiftlite.watch import judging
from swiftlite.watch.findings import Limits

INIT = {"name": "swiftlite-init", "run_dir": "/run/swift", "log_dir": "/var/log/swift"}
UPDATER = "object-updater"


def daemon(number, running, meant, program=UPDATER):
    return told(number, "object", "facts", "daemons", {program: {"running": running, "meant": meant}})


def last_pass(number, moment):
    return told(number, "object", "facts", "passes", "object_updater_last", moment)


def codes(*changes):
    return [finding.code for finding in judging.findings(together(*changes)(healthy()), Limits())]


@pytest.mark.parametrize(
    "changes",
    [
        [daemon(1, running=False, meant=True)],
        # swiftlite-init has stopped it, and nothing is left of it: but it has made passes…
        [managed(1, **INIT), daemon(1, running=False, meant=None)],
        # …or others run it.
        [managed(1, **INIT), daemon(1, running=False, meant=None), last_pass(1, None), daemon(2, True, None)],
        # It tells of no pass for long, too: that is one fault, not two.
        [daemon(1, running=False, meant=True), last_pass(1, NOW - 8 * DAY)],
        [daemon(1, running=False, meant=True, program="object-expirer")],
    ],
)
def test_what_should_run_and_does_not(changes):
    assert codes(*changes) == ["daemon-stopped"]


@pytest.mark.parametrize(
    "changes",
    [
        [daemon(1, running=True, meant=True)],
        [daemon(1, running=False, meant=False)],  # systemd was never told to start it
        [managed(1), daemon(1, running=False, meant=None)],  # started by hand, or by cron
        [
            managed(1, **INIT),
            daemon(1, running=False, meant=None, program="object-expirer"),
        ],  # one in the cluster will do
        [told(1, "object", "facts", "daemons", ["object-updater"])],
    ],
)
def test_what_was_never_meant_to_run(changes):
    assert codes(*changes) == []


def test_updates_that_wait_for_a_dead_updater_want_it_started():
    waiting = told(1, "object", "facts", "devices", disk(async_pending=5, async_oldest=NOW - 7200))
    found = judging.findings(together(waiting, daemon(1, False, True))(healthy()), Limits())
    restart = "ssh 10.0.0.1 'systemctl restart swiftlite-object-updater'"
    assert {finding.code: finding.fix for finding in found} == {"async-old": restart, "daemon-stopped": restart}
    assert not problem(restart)
    found = judging.findings(together(waiting, daemon(1, True, True))(healthy()), Limits())
    assert [finding.fix.endswith("--once'") for finding in found] == [True]
