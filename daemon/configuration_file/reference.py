"""Make docs/configuration-keys.md, the reference of all keys, from the models, or look whether it is fresh.

``python -m qwatch.daemon.configuration_file.reference`` writes; with ``--check`` nothing is written, and the
exit code is 1 if the committed reference is not what the models make.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...telemetry.generated_file import write_or_check
from ..configuration import Configuration
from .keys import Key, json_text, keys_of

MODULE = "qwatch.daemon.configuration_file.reference"
FILE = Path(__file__).resolve().parents[2] / "docs" / "configuration-keys.md"

_INTRODUCTION = """\
# Keys of the configuration

Made from the models by `make configuration-reference`; do not edit. [configuration.md](configuration.md) says
how the file is written, checked and shown.

- A key is also an environment variable, which wins over the file: `QWATCH_API__PORT` is `api.port`. Lists and
  mappings are JSON in it, `null` is none. Keys of a list's items are set by the whole list's variable.
- `[]` stands for an item of a list, `<name>` for the key of a mapping. What is *required* is so where its
  section is given.
- Units: s is seconds.
"""


def reference() -> str:
    """Return the reference as it is committed."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION.rstrip()
    sections: dict[str, list[Key]] = {}
    for key in keys_of(Configuration):
        sections.setdefault(key.location[0], []).append(key)
    for name, keys in sections.items():
        first, *rest = keys
        yield ""
        yield f"## {name}"
        yield ""
        yield f"{_cell(first.description)}. Variable: `{first.variable}`."
        yield ""
        yield "| key | type | default | variable | meaning |"
        yield "| --- | --- | --- | --- | --- |"
        yield from (_row(key) for key in rest)


def _row(key: Key) -> str:
    kind = key.kind if key.unit is None else f"{key.kind}, {key.unit}"
    variable = "" if key.is_of_a_list else f"`{key.variable}`"
    return f"| `{key.path}` | {_cell(kind)} | {_default(key)} | {variable} | {_cell(key.description)} |"


def _default(key: Key) -> str:
    if key.required:
        return "*required*"
    if key.shape == "section":
        return "" if key.default is not None else "none"
    value = key.default
    if value is None:
        return "none"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{json_text(value)}`"


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return write_or_check(MODULE, __doc__, FILE, reference, "configuration-reference", arguments)


if __name__ == "__main__":
    sys.exit(main())
