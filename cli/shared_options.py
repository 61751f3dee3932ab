"""Options that verbs for users and verbs for operators have in common."""

from __future__ import annotations

from typing import Annotated

import typer

QpuOption = Annotated[
    str | None, typer.Option("--qpu", metavar="NAME", help="the QPU; 'emulator' is one in this process")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]
