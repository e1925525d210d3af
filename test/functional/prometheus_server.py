"""The real Prometheus of Debian, on a free port, scraping what a test runs; and promtool."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fakes.ports import free_ports
from functional.cluster import wait_until

ETC = Path(__file__).resolve().parents[2] / "etc"
RULES = ETC / "prometheus" / "swiftlite-alerts.yml"


def promtool(*arguments: object) -> str:
    """Run promtool, which must be content; return what it said."""
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class PrometheusServer:
    """Scrapes every second; `targets`: by job."""

    def __init__(self, directory: Path, targets: Mapping[str, Sequence[str]]) -> None:
        directory.mkdir()
        self.port = free_ports(1)
        self.log = directory / "log"
        conf = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(found)}]} for job, found in targets.items()
            ],
        }
        (directory / "prometheus.yml").write_text(json.dumps(conf))  # which is YAML, too
        with open(self.log, "wb") as log:
            self.running = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={directory / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            said = json.load(answer)
        assert said["status"] == "success", said
        return said["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples that an expression has now."""
        result: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return result

    def wait_up(self, count: int) -> None:
        """Return when all targets have answered."""

        def is_up() -> bool:
            assert self.running.poll() is None, self.log.read_text()
            try:
                return bool(self.query(f"count(max_over_time(up[5m]) == 1) == {count}"))
            except OSError:
                return False

        wait_until(is_up, "all targets are up", 120)

    def stop(self) -> None:
        """End it."""
        self.running.terminate()
        try:
            self.running.wait(10)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait()
