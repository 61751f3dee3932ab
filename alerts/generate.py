"""Write rules, test profile and Alertmanager's configuration, or compare them with what is committed.

``python -m qwatch.alerts.generate`` writes; with ``--check`` nothing is written, and the exit code is 1 if
a committed file is not what the code makes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from ..telemetry.recorded_series import STEP
from ..telemetry.tree_differences import differences
from . import objectives
from .alerting import AREAS
from .alertmanager import alertmanager, unaddressed
from .configuration import Configuration
from .recording import drift_rules, recording_rules

ROOM = Path(__file__).parent
FILE = ROOM / "rules" / "qwatch.yaml"
TEST_PROFILE = ROOM / "rules" / "test_profile.yaml"
ALERTMANAGER = ROOM / "routing" / "alertmanager.yml"
UNADDRESSED = ROOM / "routing" / "unaddressed.yml"
HEADER = "# Made from the code in alerts/ by `make alerts`; change it there.\n"
UNADDRESSED_HEADER = f"{HEADER}# alertmanager.yml without addresses: alerts are shown, nobody is told.\n"
TEST_HEADER = f"{HEADER}# Every span of time is a sixtieth of what it is in qwatch.yaml. For tests only.\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are read, and nothing as a reference to something above."""

    def ignore_aliases(self, data: object) -> bool:
        """Return True: a reader should not have to look for what is meant."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def rules(configuration: Configuration) -> dict[str, object]:
    """Return the content of a rule file: what is recorded first, then what reads it."""
    interval = str(configuration.evaluation_interval)
    recorded = [rule.as_yaml() for rule in recording_rules(configuration)]
    steps = [rule.as_yaml() for rule in objectives.step_rules(configuration)]
    budgets = [rule.as_yaml() for rule in objectives.recording_rules(configuration)]
    drifts = [rule.as_yaml() for rule in drift_rules(configuration)]
    step = str(configuration.window(STEP))
    return {
        "groups": [
            {"name": "qwatch.recording", "interval": interval, "rules": recorded},
            {"name": "qwatch.recording.steps", "interval": step, "rules": steps},
            {"name": "qwatch.recording.objectives", "interval": interval, "rules": budgets},
            *(
                {
                    "name": f"qwatch.alerting.{area}",
                    "interval": interval,
                    "rules": [rule.as_yaml(configuration) for rule in make(configuration)],
                }
                for area, make in AREAS.items()
            ),
            {"name": "qwatch.recording.drift", "interval": str(configuration.drift_interval), "rules": drifts},
        ]
    }


def written(content: dict[str, object], header: str = HEADER) -> str:
    """Return a generated file as it is committed."""
    return header + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=110)


def rendered(configuration: Configuration) -> str:
    """Return the rule file of a configuration."""
    return written(rules(configuration))


FILES: dict[Path, Callable[[], tuple[dict[str, object], str]]] = {
    FILE: lambda: (rules(Configuration()), HEADER),
    TEST_PROFILE: lambda: (rules(Configuration().scaled()), TEST_HEADER),
    ALERTMANAGER: lambda: (alertmanager(Configuration()), HEADER),
    UNADDRESSED: lambda: (unaddressed(Configuration()), UNADDRESSED_HEADER),
}
"""What is generated, each from the one configuration."""


def check(path: Path, content: dict[str, object], header: str = HEADER) -> Iterator[str]:
    """Yield a line for each difference between the file and what the code makes."""
    if not path.exists():
        yield f"{path.name}: missing"
        return
    committed = path.read_text(encoding="utf-8")
    if committed != written(content, header):
        try:
            found = list(differences(yaml.safe_load(committed), content))
        except yaml.YAMLError as error:
            found = [f"is not YAML: {' '.join(str(error).split())}"]
        yield from (f"{path.name}: {line}" for line in found or ["only its formatting differs"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m qwatch.alerts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    parser.add_argument("--folder", type=Path, default=ROOM, help="where the files are or go")
    options = parser.parse_args(arguments)
    found: list[str] = []
    for committed, make in FILES.items():
        path = options.folder / committed.relative_to(ROOM)
        content, header = make()
        if options.check:
            found += check(path, content, header)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written(content, header), encoding="utf-8")
        print(f"wrote {path}")
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print("run: make alerts", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
