"""While a QPU is closed, Slurm holds the jobs that ask for it, by the commands of docs/machine-room.md."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[2] / "docs" / "machine-room.md"


def test_a_reservation_of_the_licences_holds_jobs_until_it_is_deleted(slurm: Any, wait_until: Any) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    create, delete = (
        shlex.split(re.findall(rf"^scontrol {verb} .*", text, re.MULTILINE)[0])
        for verb in ("create reservation", "delete")
    )
    slurm.run(*create)
    number = slurm.submit("--licenses=fresnel:1", "--partition=quantum")

    def said(column: str) -> str:
        return str(slurm.run("squeue", "--noheader", f"--jobs={number}", f"--format={column}").strip())

    try:
        wait_until(lambda: said("%r") == "Licenses", "the reservation does not hold the job")
        assert said("%T") == "PENDING"
    finally:
        slurm.run(*delete)
    wait_until(lambda: said("%T") == "RUNNING", "the job does not run when the reservation is gone")
    slurm.run("scancel", number)
