"""An observer has no job API: its live views are on the metrics port, and tell what its sources tell."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from qwatch.daemon.live.snapshot import Snapshot

BROWSER = {"accept": "text/html,*/*;q=0.8"}


class Observing:
    """``qwatch serve --role observer`` in the place of the whole daemon."""

    def __init__(self, daemon: Any) -> None:
        self.daemon = daemon
        daemon._verb = (*daemon._verb, "--role", "observer")

    def start(self, wait_until: Any) -> None:
        self.daemon.write_configuration()
        self.daemon.spawn()

        def answers() -> bool:
            assert self.daemon.process.poll() is None, self.daemon.log
            try:
                return bool(httpx.get(f"{self.daemon.metrics_url}/livez").status_code == 200)
            except httpx.HTTPError:
                return False

        wait_until(answers)


def observed(url: str) -> dict[str, Any]:
    return {"devices": [{"name": "FRESNEL", "qpu_api": {"url": url, "interval": 0.2}}]}


def test_the_page_is_on_the_metrics_port(run_daemon: Any, run_device: Any, wait_until: Any) -> None:
    with run_device() as device, run_daemon(start=False, observer=observed(device.url)) as daemon:
        Observing(daemon).start(wait_until)

        def snapshot() -> Snapshot:
            return Snapshot.model_validate_json(httpx.get(f"{daemon.metrics_url}/live").content)

        wait_until(lambda: snapshot().devices[0].state == "online")
        found = snapshot()
        assert found.role == "observer"
        # The device alone tells nothing of a queue: nothing is pretended.
        assert found.devices[0].queue == []
        assert found.totals.waiting is None
        page = httpx.get(daemon.metrics_url, headers=BROWSER)
        assert page.status_code == 200
        assert "FRESNEL" in page.text
        assert "qwatch open" not in page.text
        assert "qpu_up" in httpx.get(f"{daemon.metrics_url}/metrics", headers=BROWSER).text
        assert httpx.post(f"{daemon.metrics_url}/web/links").status_code == 404
        with httpx.stream("GET", f"{daemon.metrics_url}/live/events", timeout=60) as response:
            assert next(response.iter_lines()).startswith("retry:")
            assert daemon.stop() == 0


@pytest.mark.parametrize("page", ["login", "off"])
def test_where_it_is_not_for_everybody_there_is_none(
    run_daemon: Any, run_device: Any, wait_until: Any, page: str
) -> None:
    sections = {"api": {"status_page": page}}
    with run_device() as device, run_daemon(start=False, observer=observed(device.url), **sections) as daemon:
        Observing(daemon).start(wait_until)
        assert httpx.get(f"{daemon.metrics_url}/live").status_code == 404
        assert "FRESNEL" not in httpx.get(daemon.metrics_url, headers=BROWSER).text.partition("# HELP")[0]
