"""A real Prometheus with qwatch's rules for the tests of boards, and what Grafana puts into their queries."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from qwatch.alerts.configuration import Configuration
from qwatch.alerts.generate import rendered

QUICK = Configuration().scaled()
"""The test profile: its windows are a sixtieth, its names are those of the committed rules."""
GRAFANA_VARIABLES = {
    "$__range_s": "60",
    "$__range": "60s",
    "$__rate_interval": "10s",
    "$__interval": "1s",
    "$window": "60s",
    "$qpu_id": "FRESNEL",
    "$job_class": ".+",
    "$measure": ".+",
    "$cluster": ".*",
    "$utc_offset": "1",
}
SHORTENED = {"[1h]": "[10s]", ":1h]": ":1s]"}
"""Hours of the week, which a test cannot wait for."""


@pytest.fixture(scope="session")
def as_grafana_sends() -> Callable[[str], str]:
    """Return a function that gives a query with the values of variables."""

    def replaced(query: str) -> str:
        for variable, value in (GRAFANA_VARIABLES | SHORTENED).items():
            query = query.replace(variable, value)
        return query

    return replaced


class Prometheus:
    """A client of a Prometheus server's API."""

    def __init__(self, address: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self._address = address
        self._process = process
        self._log = log

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer; raises AssertionError with Prometheus's words if it is an error."""
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {json.load(error)['error']}") from error

    def series(self, query: str) -> list[Any]:
        """Return what an instant query gives."""
        found: list[Any] = self.get("query", query=query)["result"]
        return found

    def wait_for(self, query: str) -> None:
        """Wait until a query gives something."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self._log.read_text()
            try:
                if self.series(query):
                    return
            except (OSError, AssertionError):
                pass
            time.sleep(0.2)
        pytest.fail(f"Prometheus gave nothing for {query}:\n{self._log.read_text()}")


@pytest.fixture(scope="session")
def run_prometheus(
    tmp_path_factory: pytest.TempPathFactory,
    require_program: Callable[..., Path],
    free_port: Callable[[], int],
) -> Callable[[str], AbstractContextManager[Prometheus]]:
    """Return a context manager that scrapes an address each second and evaluates the rules as often."""

    @contextmanager
    def run(target: str) -> Iterator[Prometheus]:
        program = require_program("prometheus", "prometheus")
        home = tmp_path_factory.mktemp("prometheus")
        (home / "rules.yaml").write_text(rendered(QUICK), encoding="utf-8")
        (home / "prometheus.yml").write_text(
            f"""global: {{scrape_interval: 1s}}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: qwatch
    static_configs: [{{targets: ["{target}"]}}]
""",
            encoding="utf-8",
        )
        address = f"127.0.0.1:{free_port()}"
        log = home / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    str(program),
                    f"--config.file={home / 'prometheus.yml'}",
                    f"--storage.tsdb.path={home / 'data'}",
                    f"--web.listen-address={address}",
                ],
                stdout=output,
                stderr=output,
            )
        try:
            yield Prometheus(address, process, log)
        finally:
            process.terminate()
            process.wait(timeout=30)

    return run
