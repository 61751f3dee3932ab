"""What ``qwatch admin`` prints for a reader."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def status(found: dict[str, Any]) -> None:
    """Print every device with its windows, and the settings."""
    _print_table(
        ("device", "state", "activity", "waiting", "running", "sessions"),
        [
            (
                item["device"],
                item["state"],
                item["activity"],
                str(item["pending"]),
                "-" if item["running_job"] is None else f"job {item['running_job']}",
                str(item["sessions"]),
            )
            for item in found["devices"]
        ],
    )
    for item in found["devices"]:
        for open_window in item["windows"]:
            _line(f"  {_window_line(open_window)}")
    users(found["settings"])
    job_class(found["settings"])


def device(found: dict[str, Any]) -> None:
    """Print a device in one line, and what still closes it."""
    _line(f"{found['device']} is {found['state']}, {found['pending']} jobs wait")
    for open_window in found["windows"]:
        _line(f"  {_window_line(open_window)}")


def window(found: dict[str, Any]) -> None:
    """Print a window in one line."""
    _line(_window_line(found))


def job(found: dict[str, Any]) -> None:
    """Print what became of a job."""
    word = "is being canceled" if found["status"] == "RUNNING" else found["status"]
    _line(f"job {found['id']} of uid {found['user_id']} {word}")


def sessions(found: dict[str, Any]) -> None:
    """Print the sessions that are held."""
    _print_table(
        ("session", "device", "user", "account", "Slurm job", "since", "jobs"),
        [
            (
                str(item["id"]),
                item["device"],
                item["user"],
                item["account"],
                item["slurm_job_id"] or "-",
                _clock(item["created_at"]),
                str(item["unfinished_jobs"]),
            )
            for item in found["sessions"]
        ],
        "no session is held",
    )


def revoked(found: dict[str, Any]) -> None:
    """Print which session was revoked."""
    _line(f"session {found['id']} of {found['user']} on {found['device']} is revoked")


def users(found: dict[str, Any]) -> None:
    """Print who may use the devices."""
    listed = found["authorized_users"]
    who = "all users" if listed is None else ", ".join(map(str, listed)) or "administrators only"
    _line(f"authorised: {who} ({_origin(found['authorized_users_set'])})")


def job_class(found: dict[str, Any]) -> None:
    """Print the class of jobs that name none."""
    _line(f"job class: {found['default_job_class']} ({_origin(found['default_job_class_set'])})")


def audit(found: dict[str, Any]) -> None:
    """Print what administrators did."""
    _print_table(
        ("when", "who", "from", "what", "of", "why"),
        [
            (
                _clock(item["at"]),
                item["user"],
                item["address"],
                item["action"],
                item["target"],
                item["reason"] or "-",
            )
            for item in found["entries"]
        ],
        "nothing is in the audit log",
    )


def _window_line(found: dict[str, Any]) -> str:
    what = found["kind"] + (f" ({found['procedure']})" if found["procedure"] else "")
    line = f"{found['device']}: {what} since {_clock(found['opened_at'])} by {found['opened_by'] or '-'}"
    if found["closed_at"] is not None:
        return f"{line}, ended {_clock(found['closed_at'])}" + (
            f": {found['result']}" if found["result"] else ""
        )
    if found["until"] is not None:
        line += f", until {_clock(found['until'])}"
    if found["allow_qa"]:
        line += ", quality jobs run"
    for text in (found["message"], found["note"] and f"[{found['note']}]"):
        if text:
            line += f": {text}" if text == found["message"] else f" {text}"
    return line


def _print_table(titles: tuple[str, ...], rows: list[tuple[str, ...]], nothing: str = "") -> None:
    if not rows:
        _line(nothing)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(soft_wrap=True).print(table)


def _line(text: str) -> None:
    from rich.console import Console

    Console(highlight=False, soft_wrap=True, markup=False).print(text)


def _origin(is_set: bool) -> str:
    return "set at run time" if is_set else "by the configuration"


def _clock(value: str) -> str:
    return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M:%S")
