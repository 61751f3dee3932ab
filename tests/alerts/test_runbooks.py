"""Every alert has a page that helps, and the qwatch commands on it do what the page says."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qwatch.alerts.alerting import alerting_rules
from qwatch.alerts.configuration import Configuration
from qwatch.cli.main import application

RUNBOOKS = Path(__file__).parents[2] / "alerts" / "runbooks"
PAGES = sorted(RUNBOOKS.glob("*.md"))
RULES = alerting_rules(Configuration())
HEADINGS = ["Meaning", "Impact", "How to confirm", "What to do", "How to prevent"]
FENCED = re.compile(r"^( *)```sh\n(.*?)^\1```\n(?:\1```text\n(.*?)^\1```\n)?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """A block of qwatch commands on a page, and what they are to print; ``…`` stands for anything."""

    page: str
    lines: tuple[str, ...]
    expected: tuple[str, ...]


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the shell blocks of a page, each with its expected output."""
    for _, script, expected in FENCED.findall(page.read_text(encoding="utf-8")):
        yield textwrap.dedent(script), textwrap.dedent(expected)


def qwatch_commands() -> Iterator[Command]:
    for page in PAGES:
        for script, expected in blocks(page):
            lines = tuple(line for line in script.splitlines() if line.startswith("qwatch "))
            if lines:
                only = len(lines) == len(script.splitlines())
                yield Command(page.stem, lines, tuple(expected.splitlines()) if only else ())


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {page.stem for page in PAGES} == {rule.name for rule in RULES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_tells_what_it_means_how_to_confirm_what_to_do_and_how_to_prevent(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    found = [heading for heading in re.findall(r"^## (.+)$", text, re.MULTILINE) if heading in HEADINGS]
    assert found == HEADINGS
    for rule in RULES:
        if rule.name == page.stem:
            assert f"Severity: {rule.severity}." in text
            assert f"Team: {rule.team}." in text
    confirm = text.partition("## How to confirm")[2].partition("## What to do")[0]
    assert "```sh" in confirm
    assert "```text" in confirm, "a command is told with its expected output"


def test_links_between_runbooks_resolve() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+\.\w+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.fixture(scope="module")
def daemon(run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str) -> Iterator[Any]:
    """A running daemon whose device is called as on the pages, with a job that is done."""
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url, "FRESNEL")]) as running:
        running.finished(running.submit(running.acquire(), sequence_text, 20))
        yield running


@pytest.fixture
def run(daemon: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that runs a line of a page on a machine whose qrmi_config.json names the daemon."""
    config = tmp_path / "qrmi_config.json"
    resource = {"name": "FRESNEL", "type": "pasqal-local", "environment": {"QRMI_WARDEN_URL": daemon.url}}
    config.write_text(json.dumps({"resources": [resource]}))
    for name in ("QRMI_JOB_QPU_RESOURCES", "SLURM_JOB_QPU_RESOURCES", "QWATCH_QPU", "QWATCH_ADMIN_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QWATCH_QRMI_CONFIG", str(config))
    monkeypatch.setenv("QWATCH_TOKEN_FILE", str(daemon.token_file))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")

    def run(line: str) -> str:
        done = CliRunner().invoke(application, shlex.split(line)[1:])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, f"{line}: {done.output}"
        return done.output

    return run


@pytest.mark.parametrize(
    "command", qwatch_commands(), ids=lambda command: f"{command.page}: {command.lines[0]}"
)
def test_qwatch_commands_of_a_runbook_run_and_print_what_is_said(
    command: Command, run: Callable[[str], str]
) -> None:
    output = "".join(run(line) for line in command.lines)
    for line in command.expected:
        wanted = r"\s+".join(re.escape(part) for part in line.split())
        assert re.search(wanted.replace("…", ".*"), output), f"{line!r} is not in:\n{output}"
