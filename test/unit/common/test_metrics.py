"""Numbers that several processes write: none is lost, none goes back, whatever becomes of the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from swiftlite.common import metric_memory, metric_text, metrics
from swiftlite.common.metric_memory import COUNTER, MAX, PLACES, SUM, WORST, MetricMemory

CHECKOUT = Path(__file__).resolve().parents[3]


class Child:
    """A forked process that does as it is told, step by step."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self.steps = len(steps)
        told, self._tell = os.pipe()
        self._hear, say = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                for step in steps:
                    os.read(told, 1)
                    step()
                    os.write(say, b"x")
                os.read(told, 1)
            finally:
                os._exit(0)
        os.close(told)
        os.close(say)
        self.step()

    def step(self) -> None:
        """Let it do one more."""
        os.write(self._tell, b"x")
        assert os.read(self._hear, 1)

    def end(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)
        os.waitpid(self.pid, 0)
        os.close(self._tell)
        os.close(self._hear)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricMemory]:
    """A memory that no other test has written to."""
    monkeypatch.delenv(metric_memory.INHERITED, raising=False)
    made = MetricMemory()
    monkeypatch.setattr(metrics, "MEMORY", made)
    monkeypatch.setattr(metric_text, "MEMORY", made)
    yield made
    os.close(made._file)
    made._file = -1  # its fork hook stays, and must find nothing to do


def add(memory: MetricMemory, how: str, amount: float, *labels: str) -> None:
    place = memory.place(how, "n", labels)
    memory.values[place] += amount


def values(memory: MetricMemory) -> dict[tuple[str, ...], float]:
    return {series.labels: numbers[0] for series, numbers in memory.read()}


def test_processes_add_up_and_a_killed_one_is_not_forgotten(memory):
    add(memory, COUNTER, 1, "early")
    first = Child(lambda: add(memory, COUNTER, 2, "early"), lambda: add(memory, COUNTER, 1, "late"))
    second = Child(lambda: add(memory, COUNTER, 4, "early"), lambda: add(memory, COUNTER, 1, "late"))
    first.step()
    second.step()
    assert values(memory) == {("early",): 7, ("late",): 2}
    assert set(memory.owners().values()) == {os.getpid(), first.pid, second.pid}
    first.end()
    assert values(memory) == {("early",): 7, ("late",): 2}
    third = Child(lambda: add(memory, COUNTER, 8, "early"))
    assert values(memory) == {("early",): 15, ("late",): 2}
    assert len(memory.owners()) == 3, "it has the page of the first"
    second.end(signal.SIGTERM)
    third.end()
    assert values(memory) == {("early",): 15, ("late",): 2}
    assert set(memory.owners().values()) == {os.getpid()}


@pytest.mark.parametrize("how, with_all, after_a_death", [(COUNTER, 6, 6), (SUM, 6, 3), (MAX, 3, 3), (WORST, 3, 2)])
def test_pages_are_put_together_as_the_family_says(memory, how, with_all, after_a_death):
    add(memory, how, 1)
    two = Child(lambda: add(memory, how, 2))
    three = Child(lambda: add(memory, how, 3))
    assert values(memory)[()] == with_all
    three.end()
    assert values(memory)[()] == after_a_death
    heir = Child(lambda: add(memory, how, 0))
    assert values(memory)[()] == after_a_death, "what only the living have, nobody inherits"
    heir.end()
    two.end()


def test_a_grandchild_has_a_page_of_its_own(memory):
    add(memory, COUNTER, 1)

    def parent() -> None:
        add(memory, COUNTER, 1)
        child = Child(lambda: add(memory, COUNTER, 1))
        add(memory, COUNTER, 1)
        child.end()

    child = Child(parent)
    assert values(memory)[()] == 4
    child.end()


def test_series_that_two_processes_make_at_once_are_one(memory):
    add(memory, COUNTER, 0, "first")

    def make() -> None:
        for number in range(300):
            add(memory, COUNTER, 1, f"label {number % 100}")

    children = [Child(make) for _ in range(3)]
    make()
    assert {count for labels, count in values(memory).items() if labels != ("first",)} == {12}
    for child in children:
        child.end()


def test_threads_of_a_process_can_make_series(memory):
    threads = [threading.Thread(target=add, args=(memory, COUNTER, 1, str(n))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(values(memory)) == 20


def test_what_has_no_room_disturbs_nothing(memory):
    add(memory, COUNTER, 1, "known")
    memory.place(COUNTER, "big", (), PLACES - 70)
    for number in range(10):
        place = memory.place(COUNTER, "histogram", (str(number),), 17)
        for offset in range(17):
            memory.values[place + offset] += 1
        add(memory, COUNTER, 1, "known")
    assert values(memory)["known",] == 11
    assert memory.fill > 0.99


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.integers(0, 1000)), max_size=20))
def test_any_label_comes_back(pairs):
    memory, total = MetricMemory(), {}
    for label, amount in pairs:
        add(memory, COUNTER, amount, label)
        total[label,] = total.get((label,), 0) + amount
    assert values(memory) == total
    if memory._file >= 0:
        os.close(memory._file)
        memory._file = -1
    os.environ.pop(metric_memory.INHERITED, None)


PROGRAM = """
import os, sys
from swiftlite.common import metric_text, metrics
metrics.PASSES.add(1)
metrics.IN_FLIGHT.add(1)
if len(sys.argv) < 2:
    pid = os.fork()
    if not pid:
        metrics.PASSES.add(1)
        os._exit(0)
    os.waitpid(pid, 0)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "again"])
print(metric_text.exposition("test", [], "")[1].decode())
"""


def test_a_reload_goes_on_with_the_numbers():
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(CHECKOUT)}
    ).stdout
    lines = dict(line.rsplit(" ", 1) for line in said.split("\n") if line and line[0] != "#")
    assert lines['swiftlite_daemon_passes_total{server="test"}'] == "3.0"
    assert lines['swiftlite_requests_in_flight{server="test"}'] == "1.0"
    assert lines['swiftlite_processes{server="test"}'] == "1.0"


def test_a_program_that_another_one_starts_has_its_own(memory):
    add(memory, COUNTER, 1)
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, "again"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    ).stdout
    assert 'swiftlite_daemon_passes_total{server="test"} 1.0' in said


def test_a_parent_can_keep_a_programs_numbers(memory, monkeypatch):
    """One that dies goes on with them when it is started again, and that is a start; whoever has the file tells of it."""
    given = os.memfd_create("given")
    monkeypatch.setenv(metric_memory.TOLD, f"object-updater:{given}")
    assert list(metric_memory.told()) == [], "it has not begun"
    environment = {"PYTHONPATH": str(CHECKOUT), metric_memory.GIVEN: f"{os.getpid()}:{given}"}
    starts = []
    for count in (1.0, 2.0):
        said = subprocess.run(
            [sys.executable, "-c", PROGRAM, "again"],
            capture_output=True, text=True, check=True, env=environment, pass_fds=(given,),
        ).stdout  # fmt: skip
        assert f'swiftlite_daemon_passes_total{{server="test"}} {count}' in said
        metrics.PASSES.add(10)
        text = metric_text.exposition("proxy-server", [], "", metric_memory.told())[1].decode()
        assert f'swiftlite_daemon_passes_total{{server="proxy-server"}} {count * 10}' in text
        assert f'swiftlite_daemon_passes_total{{server="object-updater"}} {count}' in text
        assert 'swiftlite_processes{server="object-updater"} 0.0' in text
        assert 'swiftlite_requests_in_flight{server="object-updater"}' not in text, "the living have it"
        starts += [made.made_at for _, made in metric_memory.told()]
    assert starts[0] < starts[1]
    os.close(given)
    metric_memory._others.clear()


# What is written ------------------------------------------------------------------------------------------------------


def some_of_everything() -> None:
    counter = metrics.RequestCounter()
    for method, status, seconds in (("GET", 200, 0.002), ("GET", 404, 0.3), ('B\\R"EW', 400, 99.0)):
        counter.began()
        counter.ended(method, status, seconds, 10, 20)
    counter.began()
    backends = metrics.BackendCounter()
    backends("GET", "/sda/1/a/c/o/with/slashes", 200, 0.001)
    backends("GET", "/sda/1/a/c?prefix=x/y/z", 204, 0.001)
    backends("HEAD", "/sda/1/a", 507, 0.001)
    metrics.NODE_ERRORS.add(1, '10.0.0.1:6200/s"d\\a\n', "507")
    metrics.count_pass({"jobs": 3, "failures": 1}, 0.5, 1000.0)


@pytest.mark.parametrize(
    "accept, parser", [("", parse), ("application/openmetrics-text; version=1.0.0", parse_openmetrics)]
)
def test_the_answer_is_what_prometheus_reads(memory, accept, parser):
    some_of_everything()
    kind, body = metric_text.exposition("proxy-server", [], accept)
    assert kind.startswith("application/openmetrics-text" if accept else "text/plain")
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parser(body.decode())
        for sample in family.samples
    }
    server = ("server", "proxy-server")
    assert samples["swiftlite_requests_total", ("method", "GET"), server, ("status", "200")] == 1
    assert samples["swiftlite_requests_total", ("method", "other"), server, ("status", "400")] == 1
    assert samples["swiftlite_requests_in_flight", server] == 1
    assert samples["swiftlite_received_bytes_total", ("method", "GET"), server] == 20
    assert samples["swiftlite_sent_bytes_total", ("method", "GET"), server] == 40
    buckets = [
        samples["swiftlite_request_seconds_bucket", ("le", end), ("method", "GET"), server]
        for end in ("0.001", "0.0025", "0.25", "0.5", "+Inf")
    ]
    assert buckets == [0, 1, 1, 2, 2]
    assert samples["swiftlite_request_seconds_bucket", ("le", "60.0"), ("method", "other"), server] == 0
    assert samples["swiftlite_request_seconds_sum", ("method", "GET"), server] == pytest.approx(0.302)
    asked = {
        dict(key[1:])["kind"]: value for key, value in samples.items() if key[0] == "swiftlite_backend_requests_total"
    }
    assert asked == {"object": 1, "container": 1, "account": 1}
    assert samples["swiftlite_node_errors_total", ("node", '10.0.0.1:6200/s"d\\a\n'), ("reason", "507"), server] == 1
    assert samples["swiftlite_daemon_work_total", server, ("what", "jobs")] == 3
    assert samples["swiftlite_processes", server] == 1
    assert samples["swiftlite_resident_bytes", server] > 1 << 20
    assert samples["swiftlite_open_files", server] > 2


def test_a_node_is_limited_until_its_time_is_over(memory, monkeypatch):
    metrics.NODE_LIMITED.set(1000.0, "node")
    monkeypatch.setattr(metric_text.time, "time", lambda: 999.0)
    assert 'node_error_limited{node="node",server="x"} 1.0' in metric_text.exposition("x", [], "")[1].decode()
    monkeypatch.setattr(metric_text.time, "time", lambda: 1001.0)
    assert 'node_error_limited{node="node",server="x"} 0.0' in metric_text.exposition("x", [], "")[1].decode()


def test_whatever_method_clients_make_up_is_one_series(memory):
    counter = metrics.RequestCounter()
    for number in range(50):
        counter.began()
        counter.ended(f"METHOD{number}", 405, 0.1, 0, 0)
    assert metrics.REQUESTS.get("other", "405") == 50
    assert len(counter._places) == 0


def test_names_follow_the_rules_of_prometheus():
    for name, family in metrics.FAMILIES.items():
        assert name.startswith("swiftlite_")
        assert (family.kind == "counter") == name.endswith("_total"), name
        assert family.help and not family.help.endswith("."), name
        assert "server" not in family.labels and "le" not in family.labels
