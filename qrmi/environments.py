"""Where a program can run now: every resource that is within reach, its state, queue and expected wait.

The sources are those that ``--qpu NAME`` is looked up in: the job's environment, ``qrmi_config.json``, this
user's daemon, and the emulator in the program's own process. All are asked at once, each for a bounded time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import httpx
import qrmi

from ..telemetry.redaction import redact
from .location import (
    QPU_VARIABLE,
    Location,
    ResourceNotAvailableError,
    everywhere,
    locate,
)
from .open_resource import bare_resource
from .resource_types import EMULATOR, PASQAL_LOCAL

TIMEOUT_SECONDS = 3.0
UNREACHABLE = "unreachable"
HIDDEN = "hidden"
_MOST_REASON = 300
_GRACE_SECONDS = 0.5
_ON_PREMISES = (PASQAL_LOCAL, "ibm-quantum-system", "iqm-server")


@dataclass(frozen=True, slots=True)
class Environment:
    """A resource that a program can be run on.

    Attributes:
        name: what ``--qpu`` calls it; empty for a source that could not be read.
        type: QRMI's word for its type, or ``emulator``.
        place: ``in-process``, ``emulated`` (a QPU behind a daemon that is emulated), ``on-premises`` or
            ``cloud``; ``unknown`` where nothing tells.
        source: where it was found.
        default: whether a program that names no QPU gets it.
        state: ``online``, ``paused``, ``offline`` or ``unknown``; ``unreachable`` if it did not answer;
            ``hidden`` if another source has a resource of the same name, which is taken.
        pending: how many jobs wait; None if it does not tell.
        expected_wait_seconds: how long a job would wait that is queued now; None if it does not tell.
        reason: why it is in this state, if it is not online.
    """

    name: str
    type: str
    place: str
    source: str
    default: bool = False
    state: str = "unknown"
    pending: int | None = None
    expected_wait_seconds: float | None = None
    reason: str | None = None


def environments(
    environment: Mapping[str, str] | None = None, timeout: float = TIMEOUT_SECONDS
) -> list[Environment]:
    """Return what is within reach, in the order of precedence; this takes about ``timeout`` seconds at most."""
    environment = os.environ if environment is None else environment
    locations, faults = everywhere(environment)
    chosen = _default(environment)
    known: set[str] = set()
    asked: list[tuple[Environment, Callable[[], Environment]]] = []
    for location in (*locations, Location(EMULATOR, EMULATOR, "this process")):
        found = Environment(
            name=location.name,
            type=location.type_word,
            place=_place(location),
            source=location.source,
            default=location.name == chosen and location.name not in known,
        )
        asked.append((found, _question(location, found, environment, location.name in known, timeout)))
        known.add(location.name)
    return [
        *_answers(asked, timeout),
        *(Environment("", "unknown", "unknown", place, state=UNREACHABLE, reason=why) for place, why in faults),
    ]


def _default(environment: Mapping[str, str]) -> str | None:
    try:
        return locate(environment=environment).name
    except ResourceNotAvailableError:
        return environment.get(QPU_VARIABLE) or None


def _place(location: Location) -> str:
    if location.type_word == EMULATOR:
        return "in-process"
    return "on-premises" if location.type_word in _ON_PREMISES else "cloud"


def _question(
    location: Location, found: Environment, environment: Mapping[str, str], hidden: bool, timeout: float
) -> Callable[[], Environment]:
    if hidden:
        reason = f"--qpu {location.name} takes the one above"
        return lambda: replace(found, state=HIDDEN, reason=reason)
    if location.type_word == EMULATOR:
        return lambda: _in_process(found)
    if location.type_word == PASQAL_LOCAL:
        return lambda: _behind_daemon(location, found, timeout)
    return lambda: _through_qrmi(location, found, environment)


def _in_process(found: Environment) -> Environment:
    # Looked for, not imported: that takes longer than everything else here.
    if find_spec("pulser_simulation") is None:
        return replace(found, state="offline", reason="pulser-simulation is missing: install qwatch[emulator]")
    return replace(found, state="online", pending=0, expected_wait_seconds=0.0)


def _behind_daemon(location: Location, found: Environment, timeout: float) -> Environment:
    if location.url is None:
        return replace(found, state=UNREACHABLE, reason="no URL of its daemon is given (QRMI_WARDEN_URL)")
    url = location.url.rstrip("/")
    try:
        response = httpx.get(f"{url}/accessible", timeout=timeout, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return replace(found, state=UNREACHABLE, reason=f"{url}: {str(error) or type(error).__name__}")
    reply = _json(response)
    if not response.is_success or not isinstance(reply.get("is_accessible"), bool):
        detail = reply.get("detail", "it does not answer as a daemon for QPUs does")
        return replace(found, state=UNREACHABLE, reason=f"{url}: HTTP {response.status_code}: {detail}")
    online, state, pending = reply["is_accessible"], reply.get("state"), reply.get("pending")
    wait = reply.get("expected_wait_seconds")
    return replace(
        found,
        place="emulated" if reply.get("simulator") is True else found.place,
        state=state if isinstance(state, str) else "online" if online else "offline",
        pending=pending if isinstance(pending, int) else None,
        expected_wait_seconds=float(wait) if isinstance(wait, int | float) else None,
        reason=None if online else str(reply.get("message") or "") or None,
    )


def _through_qrmi(location: Location, found: Environment, environment: Mapping[str, str]) -> Environment:
    status = bare_resource(location, environment).status()
    state = {
        qrmi.ResourceStatusCode.Online: "online",
        qrmi.ResourceStatusCode.Paused: "paused",
        qrmi.ResourceStatusCode.Offline: "offline",
    }.get(status.status, "unknown")
    return replace(found, state=state, pending=status.pending_job_count, reason=status.status_reason)


def _answers(
    asked: Sequence[tuple[Environment, Callable[[], Environment]]], timeout: float
) -> list[Environment]:
    """Ask all at once; what has not answered in time is left behind in a thread that ends with the process."""
    answers = [
        replace(found, state=UNREACHABLE, reason=f"no answer within {timeout:g} s") for found, _ in asked
    ]

    def ask(number: int) -> None:
        found, question = asked[number]
        try:
            answers[number] = question()
        except Exception as error:
            reason = " ".join(redact(str(error) or type(error).__name__).split())
            answers[number] = replace(found, state=UNREACHABLE, reason=reason[:_MOST_REASON])

    threads = [
        threading.Thread(target=ask, args=(number,), name="qwatch-list", daemon=True)
        for number in range(len(asked))
    ]
    for thread in threads:
        thread.start()
    # A little longer than each question's own bound, whose words say more.
    deadline = time.monotonic() + timeout + _GRACE_SECONDS
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    return list(answers)


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
