"""What differs between two trees of mappings, lists and values: one line a difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def differences(committed: Any, generated: Any, where: str = "") -> Iterator[str]:
    """Yield a line for each place at which the committed tree is not the generated one."""
    if isinstance(committed, dict) and isinstance(generated, dict):
        for name in sorted({*committed, *generated}):
            inner = f"{where}.{name}" if where else str(name)
            if name not in generated:
                yield f"{inner}: only in the committed file"
            elif name not in committed:
                yield f"{inner}: missing in the committed file"
            else:
                yield from differences(committed[name], generated[name], inner)
    elif isinstance(committed, list) and isinstance(generated, list) and len(committed) == len(generated):
        for index, (before, after) in enumerate(zip(committed, generated, strict=True)):
            yield from differences(before, after, f"{where}[{index}]")
    elif committed != generated:
        yield f"{where}: committed {_short(committed)}, generated {_short(generated)}"


def _short(value: Any, limit: int = 60) -> str:
    text = f"a list of {len(value)}" if isinstance(value, list) else repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
