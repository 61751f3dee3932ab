"""Every ``qwatch`` command that a document shows exists, with the options that it shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from qwatch.cli.main import application

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "alerts" / "runbooks").glob("*.md")]
)
SPAN = re.compile(r"`([^`]+)`")
COMMAND = re.compile(r"(?:^|[\s'\"(=;&|])(?<!-u )(?:/\S*/bin/)?qwatch(?= [^/])(.*)", re.DOTALL)
END = re.compile(r"\s(?:#\s|\||&&|;|>|2>)|[;)]\s|\n|$")


def commands(path: Path) -> Iterator[str]:
    """The words after each ``qwatch`` that begins a command, in blocks and in spans of code."""
    prose: list[str] = []
    language: str | None = None
    for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        fence = re.match(r" *```(\w*)", line)
        if fence is not None:
            language = fence[1] if language is None else None
        elif language is None:
            prose.append(line)
        elif language in ("sh", "ini") and not line.lstrip().startswith("#"):
            yield from _found(line)
        elif line.startswith("$ "):
            yield from _found(line[2:])
    for span in SPAN.findall("\n".join(prose)):
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
    command: Any = typer.main.get_command(application)
    words = words_of(text)
    while words:
        word = words.pop(0)
        if word == "--":
            return None
        inner = getattr(command, "commands", None)
        if word.startswith("-") and len(word) > 1:
            name, equals, _ = word.partition("=")
            option = _options(command).get(name)
            if option is None and name not in ("-h", "--help"):
                return f"{command.name} has no option {name}"
            if option is not None and not option.is_flag and not equals and words:
                words.pop(0)
        elif inner is not None:
            if word not in inner:
                return f"{command.name} has no verb {word}"
            command = inner[word]
        elif command.context_settings.get("allow_interspersed_args") is False:
            return None
    return None


def _options(command: Any) -> dict[str, Any]:
    return {
        name: parameter
        for parameter in command.params
        if parameter.param_type_name == "option"
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


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
