"""``qwatch admin``: each verb asks the daemon once and prints what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from . import admin_output
from .admin_request import call as _call
from .admin_request import moment_of as _moment
from .admin_request import show as _print

application = typer.Typer(
    name="admin",
    help="Administer devices, sessions and users; every act is in the audit log.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
maintenance = typer.Typer(help="Begin and end maintenance.", no_args_is_help=True, rich_markup_mode=None)
calibration = typer.Typer(help="Begin and end calibrations.", no_args_is_help=True, rich_markup_mode=None)
sessions = typer.Typer(help="List and revoke sessions.", no_args_is_help=True, rich_markup_mode=None)
users = typer.Typer(help="Say who may use the devices.", no_args_is_help=True, rich_markup_mode=None)
for part, name in (
    (maintenance, "maintenance"),
    (calibration, "calibration"),
    (sessions, "sessions"),
    (users, "users"),
):
    application.add_typer(part, name=name)

Device = Annotated[str, typer.Argument(metavar="DEVICE")]
Reason = Annotated[str, typer.Option("--reason", metavar="WHY", help="for the audit log")]
Message = Annotated[str | None, typer.Option("--message", help="what users are told")]
Note = Annotated[str | None, typer.Option("--note", help="what operators tell each other")]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="WHEN", help="announced end: 2026-11-23T18:00, 18:00, 2h"),
]
AllowQa = Annotated[
    bool | None, typer.Option("--allow-qa/--no-qa", help="whether the site's own quality jobs may run")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]
Uids = Annotated[list[str], typer.Argument(metavar="USER...", help="login names or uids")]


@application.callback()
def root(
    context: typer.Context,
    socket: Annotated[
        Path | None, typer.Option("--socket", metavar="FILE", help="the daemon's socket for administration")
    ] = None,
    qpu: Annotated[str | None, typer.Option("--qpu", metavar="NAME", help="a QPU of the daemon")] = None,
) -> None:
    """Administer devices, sessions and users; every act is in the audit log."""
    context.obj = (socket, qpu)


@application.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show every device with its open windows, and what was set at run time."""
    _print(_call(context, "GET", "/admin/status"), as_json, admin_output.status)


@application.command()
def drain(
    context: typer.Context,
    device: Device,
    message: Message = None,
    until: Until = None,
    note: Note = None,
    allow_qa: AllowQa = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Close a device to users: what runs may finish, what waits is held."""
    body = {"message": message, "until": _until(until), "note": note, "allow_qa": allow_qa, "reason": reason}
    _print(_device(context, device, "drain", body), as_json, admin_output.window)


@application.command()
def resume(context: typer.Context, device: Device, reason: Reason = "", as_json: AsJson = False) -> None:
    """End the drain of a device."""
    _print(_device(context, device, "resume", {"reason": reason}), as_json, admin_output.device)


@maintenance.command("begin")
def begin_maintenance(
    context: typer.Context,
    device: Device,
    until: Until = None,
    message: Message = None,
    note: Note = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Begin a maintenance, or say anew when the present one ends."""
    body = {"message": message, "until": _until(until), "note": note, "reason": reason}
    _print(_device(context, device, "maintenance/begin", body), as_json, admin_output.window)


@maintenance.command("end")
def end_maintenance(
    context: typer.Context, device: Device, reason: Reason = "", as_json: AsJson = False
) -> None:
    """End the maintenance of a device."""
    _print(_device(context, device, "maintenance/end", {"reason": reason}), as_json, admin_output.window)


@calibration.command("begin")
def begin_calibration(
    context: typer.Context,
    device: Device,
    procedure: Annotated[str, typer.Option("--procedure", help="what is calibrated")] = "full",
    until: Until = None,
    message: Message = None,
    note: Note = None,
    allow_qa: AllowQa = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Begin a calibration."""
    body = {"message": message, "until": _until(until), "note": note, "allow_qa": allow_qa, "reason": reason}
    body["procedure"] = procedure
    _print(_device(context, device, "calibration/begin", body), as_json, admin_output.window)


@calibration.command("end")
def end_calibration(
    context: typer.Context,
    device: Device,
    result: Annotated[str, typer.Option("--result", help="success or failure")],
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """End the calibration of a device and say how it went."""
    if result not in ("success", "failure"):
        raise typer.BadParameter(f"{result!r} is not success or failure", param_hint="--result")
    body = {"result": result, "reason": reason}
    _print(_device(context, device, "calibration/end", body), as_json, admin_output.window)


@application.command()
def cancel(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="JOB")],
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Cancel anybody's job."""
    _print(
        _call(context, "POST", f"/admin/jobs/{number}/cancel", json={"reason": reason}),
        as_json,
        admin_output.job,
    )


@sessions.command("list")
def list_sessions(
    context: typer.Context,
    device: Annotated[str | None, typer.Option("--device", metavar="DEVICE", help="of one device")] = None,
    as_json: AsJson = False,
) -> None:
    """List the sessions that are held."""
    parameters = {} if device is None else {"device": device}
    _print(_call(context, "GET", "/admin/sessions", params=parameters), as_json, admin_output.sessions)


@sessions.command("revoke")
def revoke_session(
    context: typer.Context,
    number: Annotated[int | None, typer.Argument(metavar="[SESSION]", help="its number in the list")] = None,
    slurm_job: Annotated[
        str | None,
        typer.Option("--slurm-job", metavar="N", help="every session that this Slurm job holds, if any"),
    ] = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Revoke anybody's session; what it queued still runs."""
    if (number is None) == (slurm_job is None):
        raise typer.BadParameter("give either the session's number or --slurm-job N", param_hint="SESSION")
    numbers = [number]
    if slurm_job is not None:
        held = _call(context, "GET", "/admin/sessions", params={})["sessions"]
        numbers = [item["id"] for item in held if item["slurm_job_id"] == slurm_job]
    for each in numbers:
        found = _call(context, "POST", f"/admin/sessions/{each}/revoke", json={"reason": reason})
        _print(found, as_json, admin_output.revoked)


@users.command("list")
def list_users(context: typer.Context, as_json: AsJson = False) -> None:
    """Show who may use the devices."""
    _print(_call(context, "GET", "/admin/settings"), as_json, admin_output.users)


@users.command("set")
def set_users(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[USER]...", help="login names or uids")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="all users")] = False,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Say who may use the devices, whatever the configuration says."""
    if everybody == bool(names):
        raise typer.BadParameter("name the users, or give --all")
    body = {"users": None if everybody else _uids(names or []), "reason": reason}
    _print(_call(context, "PUT", "/admin/authorized-users", json=body), as_json, admin_output.users)


@users.command("add")
def add_users(context: typer.Context, names: Uids, reason: Reason = "", as_json: AsJson = False) -> None:
    """Authorise more users."""
    body = {"users": _uids(names), "reason": reason}
    _print(_call(context, "POST", "/admin/authorized-users/add", json=body), as_json, admin_output.users)


@users.command("remove")
def remove_users(context: typer.Context, names: Uids, reason: Reason = "", as_json: AsJson = False) -> None:
    """Authorise users no more."""
    body = {"users": _uids(names), "reason": reason}
    _print(_call(context, "POST", "/admin/authorized-users/remove", json=body), as_json, admin_output.users)


@users.command("reset")
def reset_users(context: typer.Context, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let the configuration say again who may use the devices."""
    body = {"reason": reason}
    _print(_call(context, "POST", "/admin/authorized-users/reset", json=body), as_json, admin_output.users)


@application.command("job-class")
def job_class(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[CLASS]", help="production, test, development or qa")
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="let the configuration say it again")] = False,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Show or set the class of jobs that name none."""
    if reset and name is not None:
        raise typer.BadParameter("give a class or --reset, not both")
    if reset:
        found = _call(context, "POST", "/admin/default-job-class/reset", json={"reason": reason})
    elif name is not None:
        body = {"job_class": name, "reason": reason}
        found = _call(context, "PUT", "/admin/default-job-class", json=body)
    else:
        found = _call(context, "GET", "/admin/settings")
    _print(found, as_json, admin_output.job_class)


@application.command()
def audit(
    context: typer.Context,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="a moment, or how long ago: 2h")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", metavar="DEVICE", help="of one device")] = None,
    limit: Annotated[int, typer.Option("--limit", help="how many, newest first", min=1, max=1000)] = 100,
    as_json: AsJson = False,
) -> None:
    """Show what administrators did, newest first."""
    parameters: dict[str, Any] = {"limit": limit}
    if since is not None:
        parameters["since"] = _moment(since, "--since", past=True)
    if device is not None:
        parameters["device"] = device
    _print(_call(context, "GET", "/admin/audit", params=parameters), as_json, admin_output.audit)


def _device(context: typer.Context, device: str, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    from urllib.parse import quote

    said = {key: value for key, value in body.items() if value is not None}
    path = f"/admin/devices/{quote(device, safe='')}/{verb}"
    return _call(context, "POST", path, device=device, json=said)


def _until(text: str | None) -> str | None:
    return None if text is None else _moment(text, "--until")


def _uids(names: list[str]) -> list[int]:
    import pwd

    from .failure import CommandFailedError

    found = []
    for name in names:
        if name.isascii() and name.isdigit():
            found.append(int(name))
            continue
        try:
            found.append(pwd.getpwnam(name).pw_uid)
        except KeyError:
            raise CommandFailedError(f"this system knows no user {name!r}; give the uid") from None
    return found
