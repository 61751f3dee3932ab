"""Every ``qwatch`` command that a document shows exists, with the options that it shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from qwatch.cli.main import application

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "alerts" / "runbooks").glob("*.md")]
)
BLOCK = re.compile(r"^ *```(?:sh|bash|ini|)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")
COMMAND = re.compile(r"(?:^|[\s'\"(=;&|])(?:/\S*/)?qwatch(?= )(.*)", re.DOTALL)
END = re.compile(r"\s(?:#\s|\||&&|;|>|2>)|[;)]\s|\n|$")


def commands(path: Path) -> Iterator[str]:
    """The words after each ``qwatch`` that begins a command, in blocks and in spans of code."""
    text = path.read_text(encoding="utf-8")
    inline = BLOCK.sub("", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    # Output that is shown with its command is no command: only lines after "$ " are.
    for block in BLOCK.findall(text):
        lines = block.replace("\\\n", " ").splitlines()
        shown = [line[2:] for line in lines if line.startswith("$ ")]
        for line in shown or lines:
            yield from _found(re.sub(r"^\s*#.*", "", line))
    for span in SPAN.findall(inline):
        if re.match(r"(?:/\S*/)?qwatch ", span):
            yield from _found(" ".join(span.split()))


def _found(line: str) -> Iterator[str]:
    while (match := COMMAND.search(line)) is not None:
        rest = match[1]
        cut = END.search(rest)
        assert cut is not None
        yield rest[: cut.start()].strip()
        line = rest[cut.start() :]


def words_of(text: str) -> list[str]:
    """Taken apart as a shell does; brackets and dots of usage lines are left out."""
    text = re.sub(r"[\[\]…]|\.\.\.", " ", text)
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def mistake(text: str) -> str | None:
    """What is wrong with a command, or None."""
    command: click.Command = typer.main.get_command(application)
    words = words_of(text)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    while words:
        word = words.pop(0)
        if word == "--":
            return None
        if word.startswith("-"):
            name = word.partition("=")[0]
            if name not in known | {"-h", "--help"}:
                return f"{command.name} has no option {name}"
            parameter = next((item for item in command.params if name in item.opts), None)
            takes_value = isinstance(parameter, click.Option) and not parameter.is_flag
            if takes_value and "=" not in word and words:
                words.pop(0)
        elif isinstance(command, click.Group):
            inner = command.commands.get(word)
            if inner is None:
                return f"{command.name} has no verb {word}"
            command = inner
            known = {
                option
                for parameter in command.params
                for option in (*parameter.opts, *parameter.secondary_opts)
            }
        elif command.context_settings.get("allow_interspersed_args") is False:
            return None
    return None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_document_exist(path: Path) -> None:
    wrong = [f"qwatch {text}: {what}" for text in commands(path) if (what := mistake(text)) is not None]
    assert wrong == []


def test_the_guide_for_the_machine_room_has_commands_that_were_looked_at() -> None:
    found = {" ".join(words_of(text)[:2]) for text in commands(ROOT / "docs" / "machine-room.md")}
    for verb in (
        "store backup",
        "store restore",
        "store downgrade",
        "config check",
        "admin drain",
        "doctor --qpu",
    ):
        assert verb in found


@pytest.mark.parametrize(
    "text",
    ["stroe backup", "store backupp x", "store backup --sotre x", "doctor --qpuu EMU", "admin drain --why x"],
)
def test_a_command_that_does_not_exist_is_found(text: str) -> None:
    assert mistake(text) is not None
