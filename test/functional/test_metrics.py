"""/metrics of every server and daemon of a cluster, as the real Prometheus sees them; the dashboard, and the alert rules."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import swiftclient
from prometheus_client.parser import text_string_to_metric_families

from fakes.ports import free_ports
from functional.alert_cases import FAULTS, promtool_tests
from functional.cluster import Cluster, wait_until
from functional.prometheus_server import ETC, RULES, PrometheusServer, promtool
from swiftlite.cli import layout
from swiftlite.common.forks import OF_THE_PARENT

DASHBOARD = json.loads((ETC / "grafana" / "swiftlite-dashboard.json").read_text())
EXPRESSIONS = [
    (f"{panel['title']} {target['refId']} {panel['id']}", target["expr"])
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
]
DAEMON_KINDS = [*(f"{kind}-{daemon}" for kind, daemon in layout.DAEMONS), "object-expirer"]


def samples(address: tuple[str, int]) -> dict[tuple[Any, ...], float]:
    """What /metrics says: by name and labels, the one of the server left out."""
    with urllib.request.urlopen("http://%s:%d/metrics" % address, timeout=60) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *(value for label, value in sorted(sample.labels.items()) if label != "server")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Traffic:
    """Requests of all kinds, again and again, in a thread."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        connection = self.cluster.connection(retries=3)
        number = 0
        while not self._ended.wait(0.05):
            number += 1
            with contextlib.suppress(swiftclient.ClientException, OSError):  # a device may be away; it goes on
                connection.put_object("c", f"o{number}", b"x" * 100)
                connection.put_object("c", f"mayfly{number}", b"x" * 100, headers={"X-Delete-After": "1"})
                connection.get_object("c", f"o{number}")
                connection.head_object("c", f"o{number}")
                connection.get_container("c")


def take_away(device: Path) -> None:
    """Put a file in a device's place: nobody takes that for a device, or makes the directory again meanwhile."""
    device.rename(device.with_name("away"))
    while True:
        try:
            device.touch(exist_ok=False)
            return
        except FileExistsError:
            shutil.rmtree(device, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers a server, and all daemons of a layout, which make passes all the time and have ports for their metrics."""
    first = free_ports(len(DAEMON_KINDS))
    settings: dict[str, dict[str, dict[str, str]]] = {}
    for number, name in enumerate(DAEMON_KINDS):
        kind = "expirer" if name == "object-expirer" else name.partition("-")[0]
        settings.setdefault(kind, {})[name] = {"metrics_port": str(first + number), "interval": "1"}
    made = Cluster(tmp_path_factory.mktemp("metrics") / "cluster", workers=2, settings=settings)
    try:
        made.start()
        made.connection().put_container("c")
        for name in DAEMON_KINDS:
            made.servers[name].launch()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def addresses(cluster: Cluster) -> dict[str, tuple[str, int]]:
    """Where each server and daemon answers /metrics."""
    found = {name: server.address for name, server in cluster.servers.items() if server.process.address}
    for path, conf in layout.confs(cluster.layout):
        assert path.exists()
        found |= {
            name: ("127.0.0.1", int(options["metrics_port"]))
            for name, options in conf.items()
            if "metrics_port" in options
        }
    assert len(found) == 4 + len(DAEMON_KINDS)
    return found


@pytest.fixture(scope="module")
def prometheus(
    cluster: Cluster, addresses: dict[str, tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrometheusServer]:
    """Prometheus, which sees traffic, and has seen some while a device was away."""
    targets: dict[str, list[str]] = {}
    for name, address in addresses.items():
        targets.setdefault("swiftlite-" + name.partition("-")[0], []).append("%s:%d" % address)
    server = PrometheusServer(tmp_path_factory.mktemp("prometheus") / "server", targets)
    try:
        with Traffic(cluster):
            server.wait_up(len(addresses))
            device = cluster.devices()[0]
            take_away(device)
            for ring in ("object", "container"):
                query = f'sum(swiftlite_handoffs_total{{ring="{ring}"}}) > 1'
                wait_until(lambda query=query: server.query(query), query, 120)
            wait_until(
                lambda: server.query("swiftlite_node_error_limited == 1"), "the proxy passes over the device", 120
            )
            device.unlink()
            device.with_name("away").rename(device)
            seen = "min(count_over_time(swiftlite_daemon_passes_total[20s])) > 2 and min(swiftlite_daemon_passes_total) > 1"
            wait_until(lambda: server.query(seen), "all daemons have made passes", 120)
            expired = "swiftlite_expirer_last_pass_objects"
            wait_until(lambda: server.query(expired), "the expirer has told of a pass", 120)
            yield server  # rates are of the last half minute
    finally:
        server.stop()


# ------------------------------------------------------------------------------------------------------- rules and files, while the machine is quiet


def test_each_alert_fires_for_its_fault_and_for_no_other(tmp_path):
    promtool("check", "rules", RULES)
    (tmp_path / "tests.yml").write_text(json.dumps(promtool_tests(str(RULES))))
    promtool("test", "rules", tmp_path / "tests.yml")


def test_the_sample_is_a_conf_of_prometheus(tmp_path):
    (tmp_path / "prometheus.yml").write_text((ETC / "prometheus" / "prometheus.yml-sample").read_text())
    (tmp_path / RULES.name).write_text(RULES.read_text())
    promtool("check", "config", tmp_path / "prometheus.yml")


# ------------------------------------------------------------------------------------------------------ each by itself


def test_every_server_and_daemon_says_who_it_is(addresses):
    for name, address in addresses.items():
        found = wait_until(lambda address=address: _try(address), f"{name} tells its metrics")
        assert "swiftlite_build_info{python=" in found, name
        assert set(re.findall(r'server="([^"]*)"', found)) == {name}


def _try(address: tuple[str, int]) -> str:
    try:
        with urllib.request.urlopen("http://%s:%d/metrics" % address, timeout=60) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_any_worker_tells_of_all(cluster, addresses):
    name = "all-workers"
    before = samples(addresses["proxy-server"]).get(("swiftlite_requests_total", "PUT", "201"), 0)
    for number in range(8):  # each on a connection of its own, and so with either worker
        cluster.connection().put_object("c", f"{name}-{number}", b"body")

    def count() -> float:
        return samples(addresses["proxy-server"])["swiftlite_requests_total", "PUT", "201"]

    wait_until(lambda: count() >= before + 8, "all are counted, which is when a worker is through with them")
    assert [count() for _ in range(6)] == [before + 8] * 6
    received = ("swiftlite_received_bytes_total", "PUT")
    wait_until(lambda: samples(addresses["object-server"])[received] >= 8 * 3 * 4, "all bytes are counted")


def test_a_killed_worker_and_a_reload_lose_nothing(cluster, addresses):
    master = cluster.server("object-server").running.pid
    before = samples(addresses["object-server"])
    for pid in _children(master):
        os.kill(pid, signal.SIGKILL)
    key = ("swiftlite_requests_total", "PUT", "201")
    wait_until(lambda: _try(addresses["object-server"]), "new workers answer")
    assert samples(addresses["object-server"])[key] >= before[key] > 0
    old = wait_until(lambda: len(found := set(_children(master))) == 2 and found, "there are two workers")
    os.kill(master, signal.SIGHUP)
    wait_until(lambda: len(new := set(_children(master))) == 2 and not new & old, "the workers are others")
    after = samples(addresses["object-server"])
    assert after[key] >= before[key]
    assert after["swiftlite_start_timestamp_seconds",] == before["swiftlite_start_timestamp_seconds",]
    wait_until(lambda: samples(addresses["object-server"])["swiftlite_processes",] == 3, "those before are gone")


def test_a_reload_of_a_daemon_loses_nothing(cluster, addresses):
    """Nor does it hurt that ``systemctl kill`` sends the signal to all processes of the unit."""
    address, daemon = addresses["container-updater"], cluster.server("container-updater").running.pid
    passes = ("swiftlite_daemon_passes_total",)
    wait_until(lambda: _try(address) and samples(address).get(passes), "a pass is counted")
    before, memories, (answers,) = samples(address), _memories(daemon), _children(daemon)
    masks = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{answers}/status").read_text(), re.MULTILINE)
    assert not [number for number in OF_THE_PARENT if int(masks[0], 16) >> number - 1 & 1]
    for pid in (answers, daemon):
        os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: answers not in _children(daemon) and _try(address), "another process answers")
    after = samples(address)
    assert after["swiftlite_start_timestamp_seconds",] == before["swiftlite_start_timestamp_seconds",]
    assert [key for key in before if key[0].endswith("_total") and after.get(key, 0) < before[key]] == []
    assert _memories(daemon) == memories


@pytest.mark.parametrize("name", ["container-updater", "object-auditor"])  # one turns its event loop, one is blocked
def test_what_answers_for_a_daemon_has_a_successor(cluster, addresses, name):
    address, daemon = addresses[name], cluster.server(name).running.pid
    wait_until(lambda: _try(address) and samples(address).get(("swiftlite_daemon_passes_total",)), "a pass is counted")
    before, told = samples(address), cluster.server(name).log.read_text()
    old = set(_children(daemon))
    for pid in old:  # workers, too
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not old & set(_children(daemon)) and _try(address), "another process answers")
    after = samples(address)
    kept = [key for key in before if key[0].endswith("_total") and key[0] != "swiftlite_cpu_seconds_total"]
    assert [key for key in kept if after.get(key, 0) < before[key]] == []
    assert after["swiftlite_start_timestamp_seconds",] == before["swiftlite_start_timestamp_seconds",]
    assert "the process for /metrics died with signal 9; starting another" in (
        cluster.server(name).log.read_text().removeprefix(told)
    )
    if name == "container-updater":
        wait_until(lambda: _foreign(_children(daemon)) == [], "it has no files and locks of the daemon")


def _foreign(pids: list[int]) -> list[str]:
    """What processes have open that one which only answers /metrics does not need; of no processes something, too."""
    found = [] if pids else ["no process"]
    for file in (file for pid in pids for file in Path(f"/proc/{pid}/fd").iterdir() if int(file.name) > 2):
        with contextlib.suppress(FileNotFoundError):  # it has been closed
            found.append(str(file.readlink()))
    return [link for link in found if not re.match(r"/dev/null|socket:|/memfd:swiftlite-metrics", link)]


def _memories(pid: int) -> int:
    """Descriptors of memories of numbers that a process has."""
    found = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has been closed
            found += "swiftlite-metrics" in str(file.readlink())
    return found


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_daemon_that_ends_takes_its_metrics_along(cluster, addresses):
    server = cluster.server("account-reaper")
    wait_until(lambda: _try(addresses["account-reaper"]), "it tells its metrics")
    told = server.log.read_text()
    for end in (server.kill, server.stop):
        end()
        wait_until(lambda: not _try(addresses["account-reaper"]), "nobody answers")
        server.launch()
        wait_until(lambda: _try(addresses["account-reaper"]), "the next one does")
    assert "/metrics" not in server.log.read_text().removeprefix(told), "it had no successor"


def test_who_may_not_ask_is_refused(cluster, addresses):
    for name in ("proxy-server", "object-server"):
        request = urllib.request.Request(
            "http://%s:%d/metrics" % addresses[name], headers={"X-Forwarded-For": "10.0.0.1"}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        assert refused.value.code == 403


# -------------------------------------------------------------------------------------------------- the real Prometheus


@pytest.mark.parametrize("name, expression", EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_a_query_of_the_dashboard_has_data(prometheus, name, expression):
    variables = {"$__rate_interval": "30s", "$instance": ".*"}
    for variable, value in variables.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression

    def has_data() -> bool:
        return any(sample["value"][1] != "NaN" for sample in prometheus.query(expression))

    wait_until(has_data, expression)


def test_prometheus_can_evaluate_every_rule(prometheus):
    def evaluated() -> list[dict[str, Any]]:
        rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else []

    rules = wait_until(evaluated, "all rules were evaluated")
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
    assert {rule["name"] for rule in rules} == set(FAULTS)


def test_a_cluster_that_works_sets_off_no_alarm(prometheus):
    assert prometheus.query('ALERTS{alertstate="firing", alertname!="SwiftliteQuorumFailures"}') == []
