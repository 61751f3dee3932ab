"""A document that the code makes: written anew, or compared with what is committed."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def write_or_check(
    module: str,
    about: str | None,
    file: Path,
    make: Callable[[], str],
    target: str,
    arguments: Sequence[str] | None,
) -> int:
    """Run the command line of ``python -m module``; return the exit code.

    Args:
        module: its dotted name.
        about: what it says of itself.
        file: where the document lies, unless ``--file`` says otherwise.
        make: returns the document.
        target: of make, that writes the document.
        arguments: of the command line; None takes the process' own.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    parser.add_argument("--file", type=Path, default=file, help="where the reference lies")
    options = parser.parse_args(arguments)
    generated = make()
    if not options.check:
        options.file.write_text(generated, encoding="utf-8")
        print(f"wrote {options.file}")
        return 0
    committed = options.file.read_text(encoding="utf-8") if options.file.exists() else ""
    if committed == generated:
        return 0
    changed = difflib.unified_diff(
        committed.splitlines(), generated.splitlines(), "committed", "generated", "", "", 0
    )
    for line in changed:
        print(line, file=sys.stderr)
    print(f"run: make {target}", file=sys.stderr)
    return 1
