"""What a verb needs that the user-side install leaves out."""

from __future__ import annotations

from importlib.util import find_spec

from .failure import CommandFailedError


def needs(extra: str, *modules: str) -> None:
    """Have ``modules``, which come with an extra of qwatch.

    Raises:
        CommandFailedError: one is not installed.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise CommandFailedError(
            f"this needs {', '.join(missing)}, which the user-side install leaves out: "
            f"run pip install 'qwatch[{extra}]'"
        )
