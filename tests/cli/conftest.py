"""Runs of the ``qwatch`` command, each with a home of its own."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

QWATCH = [sys.executable, "-m", "qwatch.cli.main"]


class UpRun:
    """A ``qwatch up`` on ports of its own, with what it printed."""

    def __init__(self, directory: Path, environment: dict[str, str], ports: list[int], *options: str) -> None:
        self.output_file = directory / "up.log"
        numbers = zip(("--qpu-port", "--api-port", "--metrics-port"), map(str, ports), strict=True)
        with self.output_file.open("wb") as output:
            self.process = subprocess.Popen(
                [*QWATCH, "up", *(word for pair in numbers for word in pair), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
            )
        self._seen: dict[int, psutil.Process] = {}

    @property
    def output(self) -> str:
        return self.output_file.read_text(encoding="utf-8")

    @property
    def url(self) -> str | None:
        """The job API's address, once it was printed."""
        found = re.search(r"job API\s+(http://\S+)", self.output)
        return found and found[1]

    @property
    def ready(self) -> bool:
        assert self.process.poll() is None, self.output
        return "what runs where" in self.output and "stop" in self.output

    @property
    def first_done(self) -> bool:
        assert self.process.poll() is None, self.output
        return "the first job is DONE" in self.output

    def remember_processes(self) -> int:
        """Note every process that it has started so far; return how many there are."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            self._seen[process.pid] = process
        return len(self._seen)

    def orphans(self) -> list[psutil.Process]:
        """Return those of the noted processes that still run."""
        return [
            process
            for process in self._seen.values()
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]

    def cleanup(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for process in self.orphans():
            process.kill()


@pytest.fixture
def qwatch_up(
    tmp_path_factory: pytest.TempPathFactory,
    environment_in: Callable[..., dict[str, str]],
    free_port: Callable[[], int],
) -> Iterator[Callable[..., UpRun]]:
    """Return a function that starts ``qwatch up`` with options; ``ports`` are the three it is told to want."""
    runs: list[UpRun] = []

    def start(*options: str, ports: list[int] | None = None, engines: bool = False) -> UpRun:
        directory = tmp_path_factory.mktemp("up")
        if not engines:
            options = ("--no-engines", *options)
        run = UpRun(directory, environment_in(directory), ports or [free_port() for _ in range(3)], *options)
        runs.append(run)
        return run

    yield start
    for run in runs:
        run.cleanup()


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def run_qwatch() -> Callable[..., Any]:
    """Return a function that runs ``qwatch`` with words and an environment, and returns what came of it."""

    def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*QWATCH, *words], env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    return run
