"""An emulated QPU behind a daemon with the local token, and user programs under ``qwatch run`` beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Span = dict[str, Any]
SpansOf = Callable[[Path], list[Span]]

OF_ONE_JOB = {
    "task EMU": "session EMU",
    "task_start EMU": "task EMU",
    "POST /jobs": "task_start EMU",
    "queue EMU": "POST /jobs",
    "run EMU": "POST /jobs",
    "slice EMU": "run EMU",
    "execute EMU": "slice EMU",
    "task_result EMU": "task EMU",
}
"""Spans of a job, from the user's program to the device, and the one that each is below."""


class SdkStack:
    """A daemon on the emulated QPU, and what is needed to run programs of users beside it."""

    def __init__(self, daemon: Any, emulator: Any, folder: Path, environment: dict[str, str]) -> None:
        self.daemon = daemon
        self.emulator = emulator
        self.traces = folder / "traces"
        self.folder = folder
        self.url = f"{daemon.url}/devices/EMU"
        self.environment = environment | {
            "QWATCH_TRACE_DIRECTORY": str(self.traces),
            "QWATCH_TOKEN_FILE": str(daemon.token_file),
            "QRMI_JOB_QPU_RESOURCES": "EMU",
            "QRMI_JOB_QPU_TYPES": "pasqal-local",
            "EMU_QRMI_WARDEN_URL": self.url,
        }

    def run(self, *program: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a Python program under ``qwatch run``."""
        command = [sys.executable, "-m", "qwatch.cli.main", "run", "--qpu", "EMU", "--"]
        return subprocess.run(
            [*command, sys.executable, *program],
            env=self.environment | more,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def newest_job(self) -> dict[str, Any]:
        """Return the job that was submitted last."""
        found: dict[str, Any] = self.daemon.ok("GET", "/jobs")["jobs"][0]
        return found

    def spans(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace that are in files so far, with their attributes as a dictionary."""
        return [
            span | {"attributes": {item["key"]: _value(item["value"]) for item in span.get("attributes", ())}}
            for file in sorted(self.traces.glob("*.jsonl"))
            for line in file.read_text(encoding="utf-8").splitlines()
            if trace_id in line
            for resource in json.loads(line).get("resourceSpans", ())
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
            if span["traceId"] == trace_id
        ]


def _value(found: dict[str, Any]) -> Any:
    (kind, value), *_ = found.items()
    return int(value) if kind == "intValue" else value


@pytest.fixture(scope="session")
def sdk_stack(run_daemon, run_emulator, device_at, environment_in, tmp_path_factory) -> Iterator[SdkStack]:
    """The emulated QPU ``EMU`` behind a daemon that takes the local token and writes its spans to files."""
    folder = tmp_path_factory.mktemp("sdks")
    traces = {"QWATCH_TRACE_DIRECTORY": str(folder / "traces")}
    with (
        run_emulator(shot_rate=20000.0) as emulator,
        run_daemon(devices=[device_at(emulator.url)], environment=traces) as daemon,
    ):
        yield SdkStack(daemon, emulator, folder, environment_in(folder))


@pytest.fixture
def whole_trace(sdk_stack, wait_until) -> Callable[[dict[str, Any], str], list[Span]]:
    """Return a function (job, sdk) that checks that a job's spans are one tree which names the SDK."""

    def check(job: dict[str, Any], sdk: str) -> list[Span]:
        def written() -> list[Span] | None:
            spans = sdk_stack.spans(job["trace_id"])
            return spans if set(OF_ONE_JOB) <= {span["name"] for span in spans} else None

        spans: list[Span] = wait_until(written, "the job's spans were not written")
        by_name = {span["name"]: span for span in spans}
        for name, parent in OF_ONE_JOB.items():
            assert by_name[name]["parentSpanId"] == by_name[parent]["spanId"], f"{name} is not below {parent}"
        for name in ("task EMU", "task_start EMU", "run EMU"):
            assert by_name[name]["attributes"]["qpu.sdk"] == sdk, name
        return spans

    return check


@pytest.fixture
def require_package() -> Callable[[str, str, bool], None]:
    """Return a function (module, command, always) that skips where a module is not installed.

    With CI=true a module that is ``always`` there (it is in the extra ``test``) is a failure.
    """

    def require(module: str, command: str, always: bool) -> None:
        found = subprocess.run(
            [sys.executable, "-c", f"import {module}"], capture_output=True, check=False, timeout=120
        )
        if found.returncode == 0:
            return
        reason = f"{module} is not installed: {command}"
        if always and os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    return require
