"""``qwatch doctor``: looks at each part a hybrid program needs, and says what to do where one fails."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import httpx
import typer
from rich.console import Console

from ..daemon import reachability
from ..qrmi.local_auth import TokenFileError
from ..qrmi.location import Location, ResourceNotAvailableError, locate
from ..telemetry import device_metrics
from .daemon_client import DaemonClient
from .failure import CommandFailedError

State = Literal["ok", "failed", "not set up"]
_COLOURS: dict[State, str] = {"ok": "green", "failed": "red", "not set up": "yellow"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part, and what to do about it."""

    part: str
    state: State
    line: str
    advice: str = ""


def run_doctor(qpu: str | None, prometheus: str | None, loki: str | None, as_json: bool) -> int:
    """Print the findings; return 1 if a part failed, else 0."""
    findings = [_library()]
    location, found = _location(qpu)
    findings.append(found)
    if location is not None and location.url is not None:
        findings += _daemon(location)
    findings.append(_munge(location))
    findings.append(_otlp())
    findings.append(_loki(loki))
    findings.append(_prometheus(prometheus))
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in findings]))
    else:
        _print(findings)
    return 1 if any(item.state == "failed" for item in findings) else 0


def _library() -> Finding:
    import qrmi

    if not hasattr(qrmi, "QuantumResource"):
        return Finding("QRMI", "failed", "the module 'qrmi' is not the library", "pip install qrmi")
    try:
        return Finding("QRMI", "ok", f"qrmi {version('qrmi')}")
    except PackageNotFoundError:
        return Finding("QRMI", "ok", "installed, version unknown")


def _location(qpu: str | None) -> tuple[Location | None, Finding]:
    try:
        location = locate(qpu)
    except ResourceNotAvailableError as error:
        return None, Finding("QPU", "failed", str(error), "qwatch up starts an emulated one on this machine")
    return location, Finding("QPU", "ok", f"{location.name} ({location.type_word}, from {location.source})")


def _daemon(location: Location) -> list[Finding]:
    assert location.url is not None
    url = location.url.rstrip("/")
    try:
        root = httpx.get(f"{url}/", timeout=reachability.TIMEOUT, follow_redirects=True)
    except httpx.HTTPError as error:
        return [
            Finding(
                "daemon",
                "failed",
                f"{url} does not answer: {error}",
                "start it (qwatch serve, or qwatch up), or correct the URL in qrmi_config.json",
            )
        ]
    body = _json(root)
    if body.get("service") == "qwatch":
        findings = [Finding("daemon", "ok", f"qwatch {body.get('version')} at {url}, auth: {body.get('auth')}")]
    else:
        findings = [Finding("daemon", "ok", f"{url} answers, but is not qwatch; traces end at this program")]
    reply = _json(_get(f"{url}/accessible"))
    if reply.get("is_accessible"):
        findings.append(Finding("device", "ok", str(reply.get("message", "online"))))
    else:
        findings.append(
            Finding(
                "device", "failed", str(reply.get("message", "no answer")), "ask the site's operators, or wait"
            )
        )
    try:
        DaemonClient(location, url).get("/jobs", limit=1)
        findings.append(Finding("access", "ok", "the daemon knows who you are and lets you in"))
    except (CommandFailedError, TokenFileError) as error:
        findings.append(Finding("access", "failed", str(error), "see the lines about MUNGE and the token"))
    return findings


def _munge(location: Location | None) -> Finding:
    found = reachability.munge_answers()
    if found.good:
        return Finding("MUNGE", "ok", found.line)
    advice = "apt-get install munge, then start munged with the cluster's key"
    if location is not None and location.token_file is not None:
        return Finding(
            "MUNGE", "not set up", f"{found.line}; not needed: the daemon takes a local token", advice
        )
    return Finding("MUNGE", "failed", found.line, advice)


def _otlp() -> Finding:
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if endpoint is None and (base := os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")):
        endpoint = f"{base.rstrip('/')}/v1/traces"
    if endpoint is None:
        return Finding("OTLP", "not set up", "spans go nowhere", "set OTEL_EXPORTER_OTLP_ENDPOINT")
    return _finding(
        "OTLP",
        reachability.otlp_answers(endpoint),
        "start the Collector or Tempo there, or correct OTEL_EXPORTER_OTLP_ENDPOINT",
    )


def _loki(url: str | None) -> Finding:
    url = url or os.environ.get("QWATCH_TELEMETRY__LOKI_URL")
    if url is None:
        return Finding(
            "Loki", "not set up", "logs stay on standard output", "set telemetry.loki_url; check: --loki URL"
        )
    return _finding("Loki", reachability.loki_answers(url), "start Loki there, or correct the URL")


def _prometheus(url: str | None) -> Finding:
    if url is None:
        return Finding("Prometheus", "not set up", "nothing is known of one", "check one with --prometheus URL")
    base = url.rstrip("/")
    answer = reachability.http_answers(base, lambda: _get(f"{base}/-/ready"))
    ready = _finding("Prometheus", answer, "start Prometheus there, or correct the URL")
    if ready.state != "ok":
        return ready
    name = device_metrics.UP.prometheus_name
    try:
        reply = httpx.get(f"{base}/api/v1/query", params={"query": name}, timeout=reachability.TIMEOUT)
    except httpx.HTTPError as error:
        return Finding("Prometheus", "failed", f"{base}: {error}", "look at Prometheus' own log")
    series = _json(reply).get("data", {})
    if not isinstance(series, dict) or not series.get("result"):
        return Finding(
            "Prometheus",
            "failed",
            f"{base} has no {name}",
            "add the daemon's metrics address (port 8007) to scrape_configs",
        )
    return Finding("Prometheus", "ok", f"{base} scrapes the daemon")


def _finding(part: str, answer: reachability.Answer, advice: str) -> Finding:
    return Finding(part, "ok" if answer.good else "failed", answer.line, "" if answer.good else advice)


def _get(url: str) -> httpx.Response:
    return httpx.get(url, timeout=reachability.TIMEOUT)


def _json(response: httpx.Response) -> dict[str, object]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _print(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for item in findings:
        console.print(f"[{_COLOURS[item.state]}]{item.state:<10}[/]  [bold]{item.part:<10}[/]  ", end="")
        console.print(item.line, markup=False)
        if item.state != "ok" and item.advice:
            console.print(f"{'':<24}→ {item.advice}", style="dim", markup=False)
