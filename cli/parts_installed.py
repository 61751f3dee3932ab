"""Whether what a command needs is installed: a user's install leaves most of it out."""

from __future__ import annotations


def needs(extra: str, *modules: str) -> None:
    """Raise CommandFailedError, with what to install, if one of ``modules`` is not there."""
    from importlib.util import find_spec

    from .failure import CommandFailedError

    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise CommandFailedError(
            f"this needs {', '.join(missing)}, which the user-side install leaves out: "
            f"run pip install 'qwatch[{extra}]'"
        )
