"""Limits: lower bounds never lower what somebody else has granted, upper bounds never raise it."""

import os
import pathlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.common.config import ConfigError, ServerOptions, read_options
from swiftlite.common.limits import lowered, raised

UNLIMITED = -1
VALUES = st.one_of(st.just(UNLIMITED), st.integers(0, 100))


def size(limit):
    return float("inf") if limit == UNLIMITED else limit


@pytest.mark.parametrize(
    ("now", "least", "may_raise", "then"),
    [
        ((1024, 4096), 2000, False, (2000, 4096)),
        ((1024, 4096), 8000, True, (8000, 8000)),
        ((1024, 4096), 8000, False, (4096, 4096)),
        ((1024, UNLIMITED), 8000, False, (8000, UNLIMITED)),
        ((9000, 9000), 8000, True, (9000, 9000)),
        ((UNLIMITED, UNLIMITED), 8000, True, (UNLIMITED, UNLIMITED)),
    ],
)
def test_a_lower_bound(now, least, may_raise, then):
    assert raised(now, least, may_raise) == then


@pytest.mark.parametrize(
    ("now", "then"),
    [((UNLIMITED, UNLIMITED), (500, 500)), ((100, 1000), (100, 500)), ((100, 200), (100, 200))],
)
def test_an_upper_bound(now, then):
    assert lowered(now, 500) == then


@given(VALUES, VALUES, st.integers(1, 100), st.booleans())
def test_what_the_kernel_takes_comes_out(soft, hard, bound, may_raise):
    if size(soft) > size(hard):
        soft = hard
    for limits in (raised((soft, hard), bound, may_raise), lowered((soft, hard), bound)):
        assert size(limits[0]) <= size(limits[1])
    assert size(raised((soft, hard), bound, may_raise)[0]) >= size(soft)
    assert size(lowered((soft, hard), bound)[0]) <= min(size(soft), bound)


@pytest.mark.parametrize(
    ("option", "text"), [("oom_score_adj", "1001"), ("oom_score_adj", "much"), ("rlimit_nofile", "x")]
)
def test_an_option_that_does_not_fit(option, text):
    with pytest.raises(ConfigError, match=option):
        read_options(ServerOptions, {option: text}, "x.conf", "DEFAULT")


def test_they_are_set():
    script = """
import logging, pathlib
from swiftlite.common import limits
from swiftlite.common.config import ServerOptions
limits.apply(ServerOptions(rlimit_nofile=77, rlimit_processes=0, rlimit_memory=10**9, oom_score_adj=123), logging.getLogger())
print(pathlib.Path("/proc/self/limits").read_text(), pathlib.Path("/proc/self/oom_score_adj").read_text())
"""
    command = ["sh", "-c", 'ulimit -n 60; exec "$@"', "sh", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    lines = {line[:20].strip(): line[20:].split() for line in done.stdout.splitlines()}
    assert lines["Max data size"][-3:-1] == ["1000000000", "1000000000"], done.stderr
    # Root may raise a hard limit, but not in every container.
    assert lines["Max open files"][-3] in ("77", "60")
    assert done.stdout.split()[-1] == "123"
    assert ("cannot raise rlimit_nofile to 77" in done.stderr) == (lines["Max open files"][-3] == "60")


ROOT = pathlib.Path(__file__).resolve().parents[3]
