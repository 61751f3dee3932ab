"""A file of personal data: only its owner may read it, and it is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import typer


@contextmanager
def whole_file(out: Path) -> Iterator[IO[str]]:
    """Give what to write to; ``-`` is standard output. After an error what was at ``out`` is still there."""
    if str(out) == "-":
        yield typer.get_text_stream("stdout")
        return
    part = out.with_name(f"{out.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
