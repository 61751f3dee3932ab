"""A YAML file with the line of each of its keys.

No message quotes the file: a line that is wrong may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ...scheduler.errors import ConfigurationError

Location = tuple[int | str, ...]
"""Where a value is: keys, and indices in lists."""

_QUOTED = re.compile(r"'([^']*)'")
_MOST_PLACES = 100_000


@dataclass(frozen=True, slots=True)
class Document:
    """What a configuration file says, and on which line."""

    name: str
    data: dict[str, Any]
    lines: Mapping[Location, int] = field(default_factory=dict)

    def line(self, location: Sequence[int | str]) -> int | None:
        """Return the line of a key; of the nearest one around it if the file does not name it itself."""
        for length in range(len(location), 0, -1):
            if (found := self.lines.get(tuple(location[:length]))) is not None:
                return found
        return None

    def place(self, location: Sequence[int | str]) -> str:
        """Return ``file:line`` of a key, or the file alone."""
        line = self.line(location)
        return self.name if line is None else f"{self.name}:{line}"

    def names(self, location: Sequence[int | str]) -> bool:
        """Whether the file itself has this key."""
        return holds(self.data, location)


def holds(value: Any, location: Sequence[int | str], *, more_than_nothing: bool = False) -> bool:
    """Whether there is something at ``location`` in mappings and lists; a null too, unless told otherwise."""
    for part in location:
        if isinstance(value, dict) and part in value:
            value = value[part]
            continue
        if not isinstance(value, list) or not isinstance(part, int) or part >= len(value):
            return False
        value = value[part]
    return value is not None or not more_than_nothing


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        ConfigurationError: it cannot be read, is not YAML, is no mapping, or names a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; write one with: qwatch config init") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not YAML: it is not text in UTF-8") from error
    return parse_document(text, str(path))


def parse_document(text: str, name: str) -> Document:
    """Read YAML from ``text``; ``name`` is told in errors. Raises as `read_document`."""
    lines: dict[Location, int] = {}
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(name, {})
        _walk(node, (), lines, name, [])
        data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = name if mark is None else f"{name}:{mark.line + 1}"
        raise ConfigurationError(f"{place}: is not YAML: {_problem(error)}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"{name}: is not YAML: {getattr(error, 'reason', 'it cannot be read')}"
        ) from None
    except (ValueError, RecursionError):
        # A date such as 2026-13-40, or an anchor that holds itself.
        raise ConfigurationError(f"{name}: is not YAML: a value in it cannot be read") from None
    if data is None:
        return Document(name, {})
    if not isinstance(data, dict):
        raise ConfigurationError(f"{name}: must be a mapping with keys such as 'api' and 'devices'")
    return Document(name, {str(key): value for key, value in data.items()}, lines)


def _problem(error: yaml.MarkedYAMLError) -> str:
    said = ", ".join(part for part in (error.context, error.problem) if part)
    if "alias" in said or "anchor" in said:
        return "text that begins with * or & needs quotes"
    if "tag" in said:
        return "text that begins with ! needs quotes"
    return " ".join(_QUOTED.sub(lambda found: found[0] if _is_mark(found[1]) else "it", said).split())


def _is_mark(quoted: str) -> bool:
    """Whether it is a character of YAML, or the name of one, and not a part of the file."""
    return len(quoted) < 2 or quoted.startswith("<")


def _walk(
    node: yaml.Node, at: Location, lines: dict[Location, int], name: str, around: list[yaml.Node]
) -> None:
    if len(lines) > _MOST_PLACES or any(node is other for other in around):
        raise ConfigurationError(f"{name}: holds itself, or far more than a configuration: look at its anchors")
    around.append(node)
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            word = str(key.value)
            if word in first and word != "<<":
                place = ".".join(str(part) for part in (*at, word))
                raise ConfigurationError(
                    f"{name}:{line}: {place}: stands here a second time; the first is on line {first[word]}"
                )
            first[word] = line
            if word == "<<":
                continue
            lines[(*at, word)] = line
            _walk(value, (*at, word), lines, name, around)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*at, index)] = item.start_mark.line + 1
            _walk(item, (*at, index), lines, name, around)
    around.pop()
