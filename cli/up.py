"""``qwatch up``: starts the local stack, shows what runs where and what happens, and stops it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import httpx
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ..daemon.local_stack.engines import FACTS
from ..daemon.local_stack.stack import DEVICE, Stack, StackOptions, running_stack
from ..telemetry import device_metrics, job_metrics
from .failure import CommandFailedError

_REFRESH_SECONDS = 0.5
_LINE_SECONDS = 5.0


@dataclass(slots=True)
class Progress:
    """What the daemon's own metrics tell."""

    done: int = 0
    failed: int = 0
    pending: int = 0
    running: int = 0
    shots: int = 0
    activity: str = "unknown"
    busy_seconds: float = 0.0
    busy_before: float | None = None

    def line(self, elapsed: float) -> str:
        """Return the progress as one line."""
        share = (self.busy_seconds - (self.busy_before or 0.0)) / elapsed if elapsed > 0 else 0.0
        return (
            f"{elapsed:5.0f} s  jobs: {self.done} done, {self.running} running, {self.pending} waiting, "
            f"{self.failed} failed  shots: {self.shots}  {DEVICE}: {self.activity}, busy {share:.0%}"
        )


class _Interrupted(Exception):
    """SIGINT or SIGTERM came."""


def run_up(options: StackOptions, seconds: float | None) -> int:
    """Run the stack until a signal, or for ``seconds``; return the exit code.

    With ``seconds`` it is 0 only if a job became DONE.
    """
    console = Console(highlight=False)
    progress = Progress()
    started = time.monotonic()
    with _signals_raise():
        try:
            console.print("starting the emulated QPU and the daemon …")
            with running_stack(options) as stack:
                _introduce(console, stack, seconds)
                try:
                    _follow(console, stack, progress, seconds)
                except _Interrupted:
                    pass
                finally:
                    _update(stack, progress)
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
                    console.print("stopping …")
        except _Interrupted:
            console.print("stopped before it was ready")
    console.print(f"stopped. {progress.line(time.monotonic() - started)}", soft_wrap=True)
    if options.data_directory is not None:
        console.print(f"state is kept in {options.data_directory}; the next 'up' on it goes on from there")
    if seconds is not None and progress.done == 0:
        raise CommandFailedError("no job became DONE")
    return 0


def _introduce(console: Console, stack: Stack, seconds: float | None) -> None:
    for note in stack.notes:
        console.print(f"[yellow]note:[/] {note}", soft_wrap=True)
    console.print("[bold]what runs where[/]")
    for name, where in (
        ("job API", f"{stack.api_url}  (auth: {stack.auth}; reference: {stack.api_url}/docs)"),
        ("status page", f"{stack.api_url}/  (with your jobs: qwatch open)"),
        ("metrics", f"{stack.metrics_url}/metrics"),
        ("health", f"{stack.metrics_url}/readyz"),
        ("emulated QPU", f"{stack.qpu_url}/api/v1  (device {DEVICE})"),
        ("traces", f"{stack.traces}  (OTLP JSON Lines)"),
        ("logs", str(stack.logs)),
    ):
        console.print(f"  [bold]{name:<14}[/]{where}", soft_wrap=True)
    for item in stack.engines.running:
        console.print(f"  [bold]{item.engine:<14}[/]{item.launch.url}", soft_wrap=True)
    if stack.options.engines and (missing := stack.engines.missing()):
        console.print("[bold]not on PATH[/], and started when they are (or with --bin-dir):")
        for engine in missing:
            facts = FACTS[engine]
            console.print(f"  [bold]{engine:<14}[/]{facts.adds}: {facts.get}", soft_wrap=True)
    console.print(f"  your programs   qwatch run --qpu {DEVICE} -- python program.py", soft_wrap=True)
    console.print("  your jobs       qwatch jobs;  qwatch job ID --trace", soft_wrap=True)
    console.print("stop: Ctrl-C" if seconds is None else f"stops after {seconds:.0f} s, or with Ctrl-C")
    console.print()


def _follow(console: Console, stack: Stack, progress: Progress, seconds: float | None) -> None:
    started = time.monotonic()
    first_done = False
    next_line = 0.0
    told: set[str] = set()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while seconds is None or time.monotonic() - started < seconds:
            stack.keep_demo_running()
            failure = stack.failure()
            if failure is not None:
                raise CommandFailedError(failure)
            for line in stack.engines.failures():
                if line not in told:
                    told.add(line)
                    live.console.print(f"[yellow]note:[/] {line}", soft_wrap=True)
            _update(stack, progress)
            elapsed = time.monotonic() - started
            if progress.done and not first_done:
                first_done = True
                live.console.print(f"[green]the first job is DONE after {elapsed:.1f} s[/]")
            if console.is_terminal:
                live.update(_screen(stack, progress, elapsed), refresh=True)
            elif elapsed >= next_line:
                next_line = elapsed + _LINE_SECONDS
                console.print(progress.line(elapsed), soft_wrap=True)
            time.sleep(_REFRESH_SECONDS)


def _screen(stack: Stack, progress: Progress, elapsed: float) -> Group:
    lines = [Text(progress.line(elapsed), style="bold")]
    if stack.demo is not None:
        lines.append(Text(f"{stack.demo.name}:", style="cyan"))
        lines += [
            Text(f"  {line}", style="dim", overflow="ellipsis", no_wrap=True)
            for line in stack.demo.last_lines(8)
        ]
    return Group(*lines)


def _update(stack: Stack, progress: Progress) -> None:
    """Read the daemon's metrics; what cannot be read now keeps its last value."""
    try:
        text = httpx.get(f"{stack.metrics_url}/metrics", timeout=2).text
    except httpx.HTTPError:
        return
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for key in (sample.name, *(f"{sample.name}.{value}" for value in sample.labels.values())):
                sums[key] = sums.get(key, 0.0) + sample.value
            if sample.name == device_metrics.ACTIVITY.prometheus_name and sample.value == 1:
                progress.activity = sample.labels["activity"]
    finished = job_metrics.FINISHED.prometheus_name
    queue = job_metrics.QUEUE.prometheus_name
    progress.done = int(sums.get(f"{finished}.done", 0))
    progress.failed = int(sums.get(f"{finished}.error", 0))
    progress.pending = int(sums.get(f"{queue}.pending", 0))
    progress.running = int(sums.get(f"{queue}.running", 0))
    progress.shots = int(sums.get(device_metrics.SHOTS.prometheus_name, 0))
    progress.busy_seconds = sums.get(f"{device_metrics.TIME.prometheus_name}.execute", 0.0)
    if progress.busy_before is None:
        # The time partition goes on from the runs before on the same data.
        progress.busy_before = progress.busy_seconds


@contextmanager
def _signals_raise() -> Iterator[None]:
    def raise_interrupted(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise _Interrupted

    before = {number: signal.signal(number, raise_interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
