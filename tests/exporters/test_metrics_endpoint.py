"""The metrics port: the form by Accept, gzip, HEAD, refusals, failures, and a loop that goes on."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain
from prometheus_client.registry import Collector

from qwatch.exporters.prometheus import metrics_application
from qwatch.telemetry import job_metrics
from qwatch.telemetry.instruments import Instruments

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Instruments(registry).observe(
        job_metrics.WAIT, 12.0, {"trace_id": "a" * 32}, qpu_id="FRESNEL", job_class="production"
    )
    return registry


def request(registry: Collector, method: str = "GET", path: str = "/metrics", **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(metrics_application(registry))
        async with httpx.AsyncClient(transport=transport, base_url="http://qwatch") as client:
            given = {key.replace("_", "-"): value for key, value in headers.items()}
            return await client.request(method, path, headers={"accept-encoding": "identity"} | given)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html", "text/plain;version=0.0.4", "nonsense;version=x;;,"]
)
def test_text_by_default_and_without_exemplars(registry: CollectorRegistry, accept: str) -> None:
    response = request(registry, accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "trace_id" not in response.text
    assert [family.name for family in parse_plain(response.text)] == ["qpu_job_wait_duration_seconds"]


def test_openmetrics_where_asked_with_exemplars(registry: CollectorRegistry) -> None:
    response = request(registry, accept=OPENMETRICS)
    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    (family,) = parse_openmetrics(response.text)
    exemplars = [sample.exemplar for sample in family.samples if sample.exemplar]
    assert [item.labels["trace_id"] for item in exemplars] == ["a" * 32]


@pytest.mark.parametrize("accept", ["application/openmetrics-text;version=soon", "text/plain;version=a.b"])
def test_a_version_that_is_none_falls_back(registry: CollectorRegistry, accept: str) -> None:
    assert request(registry, accept=accept).status_code == 200


@pytest.mark.parametrize(("accepted", "compressed"), [("gzip", True), ("br, gzip;q=0.5", True), ("br", False)])
def test_gzip_if_accepted(registry: CollectorRegistry, accepted: str, compressed: bool) -> None:
    response = request(registry, accept_encoding=accepted)
    assert (response.headers.get("content-encoding") == "gzip") == compressed
    assert b"qpu_job_wait" in response.content


def test_head_has_headers_and_no_body(registry: CollectorRegistry) -> None:
    response = request(registry, "HEAD")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert response.content == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused_in_one_line(registry: CollectorRegistry, method: str) -> None:
    response = request(registry, method)
    assert response.status_code == 405
    assert response.headers["allow"] in ("GET, HEAD", "HEAD, GET")
    assert response.text.count("\n") == 1


@pytest.mark.parametrize("path", ["/", "/metrics/", "/favicon.ico", "/metrics/x", "/docs"])
def test_other_paths_are_404_in_one_line(registry: CollectorRegistry, path: str) -> None:
    response = request(registry, path=path)
    assert response.status_code == 404
    assert response.text == "nothing here: the metrics are at /metrics\n"


class Broken(Collector):
    """A registry that cannot be written."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        raise RuntimeError("no\nmetrics")
        yield


def test_a_failure_is_500_in_one_line_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    response = request(Broken())
    assert response.status_code == 500
    assert response.text.count("\n") == 1
    assert "no metrics" not in response.text
    (record,) = caplog.records
    assert "RuntimeError" in record.getMessage()
    assert "\n" not in record.getMessage()


class Slow(Collector):
    """A registry that is written only when it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.threads: set[int] = set()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        self.threads.add(threading.get_ident())
        self.entered.set()
        assert self.let_go.wait(60)
        yield GaugeMetricFamily("qwatch_test", "help", 1.0)


def test_the_event_loop_goes_on_while_metrics_are_written() -> None:
    slow = Slow()

    async def scrape_and_count() -> tuple[httpx.Response, int]:
        transport = httpx.ASGITransport(metrics_application(slow))
        async with httpx.AsyncClient(transport=transport, base_url="http://qwatch") as client:
            scrape = asyncio.create_task(client.get("/metrics"))
            turns = 0
            while not slow.entered.is_set() or turns < 10:
                await asyncio.sleep(0.001)
                turns += 1
            assert not scrape.done()
            slow.let_go.set()
            return await scrape, turns

    response, turns = asyncio.run(scrape_and_count())
    assert response.status_code == 200
    assert turns >= 10
    assert threading.get_ident() not in slow.threads


def test_the_body_is_gzip_on_the_wire(registry: CollectorRegistry) -> None:
    async def ask() -> bytes:
        sent: list[dict[str, object]] = []
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/metrics",
            "raw_path": b"/metrics",
            "query_string": b"",
            "headers": [(b"accept-encoding", b"gzip")],
            "http_version": "1.1",
            "scheme": "http",
            "server": ("qwatch", 80),
            "client": None,
            "root_path": "",
            "asgi": {"version": "3.0"},
        }

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: object) -> None:
            assert isinstance(message, dict)
            sent.append(message)

        await metrics_application(registry)(scope, receive, send)
        return b"".join(bytes(message["body"]) for message in sent if message.get("body"))  # type: ignore[call-overload]

    assert b"qpu_job_wait" in gzip.decompress(asyncio.run(ask()))
