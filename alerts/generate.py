"""Write the Prometheus rules, or compare them with what is committed.

``python -m qwatch.alerts.generate`` writes; with ``--check`` nothing is written, and the exit code is 1 if
the committed rules are not what the code makes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from ..telemetry.tree_differences import differences
from .alerting import alerting_rules
from .configuration import Configuration
from .recording import drift_rules, recording_rules

FILE = Path(__file__).parent / "rules" / "qwatch.yaml"
HEADER = "# Made from the code in alerts/ by `make alerts`; change it there.\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def rules(configuration: Configuration) -> dict[str, object]:
    """Return the content of the rule file: what is recorded first, then what reads it."""
    interval = configuration.evaluation_interval
    recorded = [rule.as_yaml() for rule in recording_rules(configuration)]
    drifts = [rule.as_yaml() for rule in drift_rules(configuration)]
    alerts = [rule.as_yaml(configuration) for rule in alerting_rules(configuration)]
    return {
        "groups": [
            {"name": "qwatch.recording", "interval": interval, "rules": recorded},
            {"name": "qwatch.alerting", "interval": interval, "rules": alerts},
            {"name": "qwatch.drift", "interval": configuration.drift_interval, "rules": drifts},
        ]
    }


def rendered(configuration: Configuration) -> str:
    """Return the rule file as it is committed."""
    return HEADER + yaml.dump(rules(configuration), Dumper=_Dumper, sort_keys=False, width=110)


def check(path: Path, configuration: Configuration) -> Iterator[str]:
    """Yield a line for each difference between the file and the rules that the code makes."""
    if not path.exists():
        yield f"{path.name}: missing"
        return
    committed = path.read_text(encoding="utf-8")
    if committed != rendered(configuration):
        try:
            found = list(differences(yaml.safe_load(committed), rules(configuration)))
        except yaml.YAMLError as error:
            found = [f"is not YAML: {' '.join(str(error).split())}"]
        yield from (f"{path.name}: {line}" for line in found or ["only its formatting differs"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m qwatch.alerts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    parser.add_argument("--file", type=Path, default=FILE, help="the rule file")
    options = parser.parse_args(arguments)
    configuration = Configuration()
    if not options.check:
        options.file.parent.mkdir(parents=True, exist_ok=True)
        options.file.write_text(rendered(configuration), encoding="utf-8")
        print(f"wrote {options.file}")
        return 0
    found = list(check(options.file, configuration))
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print("run: make alerts", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
