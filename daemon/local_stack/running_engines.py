"""The engines of a local stack while they run. Work never waits for them, nor ends with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .child import FOREIGN, Child
from .engine_files import Launch, Plan
from .engines import Engine


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """One engine, with how it was started."""

    engine: Engine
    launch: Launch
    child: Child


@dataclass(slots=True)
class RunningEngines:
    """Those of a plan."""

    plan: Plan
    running: list[RunningEngine] = field(default_factory=list)

    def start(self, logs: Path, environment: Mapping[str, str]) -> None:
        """Start them all; none is waited for."""
        for engine in self.plan.programs:
            launch = self.plan.launch(engine)
            child = Child(
                engine,
                [*FOREIGN, *launch.arguments],
                logs / f"{engine.value.lower()}.log",
                {**environment, **launch.environment},
            )
            self.running.append(RunningEngine(engine, launch, child))

    def stop(self, deadline: float) -> None:
        """Ask all to stop, and kill what is left at ``deadline`` (monotonic seconds)."""
        for item in self.running:
            item.child.ask_to_stop()
        for item in self.running:
            item.child.stop(deadline)

    def failures(self) -> list[str]:
        """Return a line for each engine that has ended."""
        return [
            f"{item.engine} ended with exit code {item.child.exit_code}: "
            f"{' | '.join(item.child.last_lines(1))} (log: {item.child.log})"
            for item in self.running
            if item.child.exit_code is not None
        ]

    def missing(self) -> list[Engine]:
        """Return the engines that are not installed."""
        return [engine for engine in Engine if not self.plan.has(engine)]
