"""A QRMI resource in pure Python for qwatch's daemon, where the wheel cannot authenticate itself.

It speaks the same HTTP protocol as the wheel's ``pasqal-local`` resource, with a local bearer token or a
fresh MUNGE credential, and carries the trace context of the caller along.
"""

from __future__ import annotations

import json
import os
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import qrmi
from opentelemetry import trace

from ..telemetry.redaction import REDACTOR, redact
from ..telemetry.trace_context import format_traceparent
from .handover import DaemonAddress
from .local_auth import TokenFileError, munge_authentication, token_authentication
from .munge import MungeError, MungeUnavailableError
from .session import session_variable
from .values import ResourceStatus, Target, TaskResult

CONNECT_SECONDS = 5.0
READ_SECONDS = 120.0

_STATES = {
    "PENDING": qrmi.TaskStatus.Queued,
    "RUNNING": qrmi.TaskStatus.Running,
    "DONE": qrmi.TaskStatus.Completed,
    "CANCELED": qrmi.TaskStatus.Cancelled,
    "ERROR": qrmi.TaskStatus.Failed,
}
_ERRORS: dict[int, type[qrmi.QrmiError]] = {
    401: qrmi.AuthenticationFailedError,
    422: qrmi.InvalidInputError,
}


class LocalDaemonResource:
    """One device behind a daemon at ``url``.

    Args:
        name: the resource's name, as in ``{NAME}_QRMI_JOB_ACQUISITION_TOKEN``.
        url: base URL of the daemon, or of one of its devices or job classes.
        token_file: file of mode 0600 with the local token; without one, MUNGE is used.
        user_id: user for whom sessions are opened; by default ``QRMI_JOB_UID``, else this user.
        job_id: job for which sessions are opened; by default ``QRMI_JOB_ID``, ``SLURM_JOB_ID``, else the pid.
        munge_socket: path of munged's socket, by default the compiled-in one.

    Calls may come from several threads at once. They raise ``qrmi.QrmiError`` or a class below it:
    AuthenticationFailedError (401), InvalidInputError (422), TaskNotFoundError (404 of a task),
    TaskNotReadyError, EnvVarNotSetError (no session), UnsupportedPayloadError.

    Raises:
        TokenFileError: the token file is missing, empty, or others may read it.
    """

    sends_trace_context = True
    """``POST /jobs`` carries a ``traceparent`` header."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        token_file: Path | None = None,
        user_id: str | None = None,
        job_id: str | None = None,
        munge_socket: str | None = None,
    ) -> None:
        self._name = name
        self.url = url.rstrip("/")
        self.authentication = (
            munge_authentication(munge_socket) if token_file is None else token_authentication(token_file)
        )
        environment = os.environ
        self._user_id = user_id or environment.get("QRMI_JOB_UID") or str(os.getuid())
        self._job_id = (
            job_id or environment.get("QRMI_JOB_ID") or environment.get("SLURM_JOB_ID") or str(os.getpid())
        )
        self._session: str | None = None
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._client_process = 0

    @property
    def daemon_address(self) -> DaemonAddress:
        """The daemon, and how a request to it says who sends it."""
        return DaemonAddress(self.url, self.authentication)

    def acquire(self) -> str:
        """Open a session and return its token."""
        body = {"user_id": self._user_id, "slurm_job_id": self._job_id}
        session = str(self._field(self._call("POST", "/sessions", body=body), "id"))
        REDACTOR.keep_secret(session)
        self._session = session
        return session

    def release(self, id: str) -> None:
        """Close the session ``id``."""
        REDACTOR.keep_secret(id)
        self._call("DELETE", f"/sessions/{_segment(id)}")
        if self._session == id:
            self._session = None

    def is_accessible(self) -> bool:
        """Tell whether the device is online."""
        return bool(self._field(self._call("GET", "/accessible", public=True), "is_accessible"))

    def status(self) -> ResourceStatus:
        """Return whether the device is online, and the daemon's message if it is not."""
        reply = self._call("GET", "/accessible", public=True)
        # Other daemons do not tell how many jobs wait.
        pending = reply.get("pending")
        waiting = pending if isinstance(pending, int) else None
        if self._field(reply, "is_accessible"):
            return ResourceStatus(qrmi.ResourceStatusCode.Online, pending_job_count=waiting)
        return ResourceStatus(
            qrmi.ResourceStatusCode.Offline,
            pending_job_count=waiting,
            status_reason=str(reply.get("message") or "") or None,
        )

    def target(self) -> Target:
        """Return the device's specifications, as a list of one in JSON."""
        specs = self._field(self._call("GET", "/qpu/specs"), "specs")
        device = {"device_type": json.loads(specs)["name"], "specs": specs}
        return Target(json.dumps([device], separators=(",", ":")))

    def metadata(self) -> dict[str, str]:
        """Return the name of the device."""
        return {"backend_name": self._name}

    def resource_id(self) -> str:
        """Return the resource's name."""
        return self._name

    def resource_type(self) -> qrmi.ResourceType:
        """Return ``PasqalLocal``, whose protocol this is."""
        return qrmi.ResourceType.PasqalLocal

    def task_start(self, payload: qrmi.Payload) -> str:
        """Submit a ``Payload.PasqalCloud`` and return the task's id."""
        if not isinstance(payload, qrmi.Payload.PasqalCloud):
            raise qrmi.UnsupportedPayloadError(f"payload type is not supported: {type(payload).__name__}")
        variable = session_variable(self._name)
        session = os.environ.get(variable) or self._session
        if not session:
            raise qrmi.EnvVarNotSetError(f"{variable} environment variable is not set")
        headers = {"x-warden-session": session}
        span_context = trace.get_current_span().get_span_context()
        if span_context.is_valid:
            headers["traceparent"] = format_traceparent(span_context)
        body = {"sequence": payload.sequence, "shots": payload.job_runs}
        return str(self._field(self._call("POST", "/jobs", body=body, headers=headers), "id"))

    def task_status(self, task_id: str) -> qrmi.TaskStatus:
        """Return the state of a task."""
        word = self._field(self._call("GET", f"/jobs/{_segment(task_id)}", task=True), "status")
        try:
            return _STATES[word]
        except (KeyError, TypeError):
            raise qrmi.QrmiError(f"the daemon's reply has an unknown status {word!r}") from None

    def task_result(self, task_id: str) -> TaskResult:
        """Return the result of a task that has completed."""
        job = self._call("GET", f"/jobs/{_segment(task_id)}", task=True)
        results = job.get("results")
        if results is None:
            state = str(job.get("status", "unknown")).capitalize()
            raise qrmi.TaskNotReadyError(
                f"unable to retrieve result for task {task_id}: results not available (current status: {state})"
            )
        return TaskResult(str(results))

    def task_logs(self, task_id: str) -> str:
        """Return the log of a task: what was done with it, and why it failed."""
        return str(self._field(self._call("GET", f"/jobs/{_segment(task_id)}/logs", task=True), "logs"))

    def task_stop(self, task_id: str) -> None:
        """Cancel a task."""
        self._call("POST", f"/jobs/{_segment(task_id)}/cancel", task=True)

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connection(self) -> httpx.Client:
        with self._lock:
            # A connection shared with a forked process would mix up replies.
            if self._client is None or self._client_process != os.getpid():
                self._client = httpx.Client(
                    timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
                    trust_env=False,
                    # Reading the certificates takes longer than a call; without TLS they are not needed.
                    verify=self.url.startswith("https:"),
                )
                self._client_process = os.getpid()
            return self._client

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        public: bool = False,
        task: bool = False,
    ) -> dict[str, Any]:
        sent = {**(headers or {})}
        if not public:
            try:
                sent |= {"content-type": "application/json", **self.authentication()}
            except (MungeUnavailableError, MungeError, TokenFileError) as error:
                raise qrmi.AuthenticationFailedError(str(error)) from error
        url = f"{self.url}{path}"
        try:
            response = self._connection().request(method, url, json=body, headers=sent)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise qrmi.QrmiError(redact(f"error sending request for url ({url}): {reason}")) from error
        if not response.is_success:
            raise _refusal(response, task)
        try:
            reply = response.json()
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise qrmi.QrmiError(redact(f"the reply of {url} is not a JSON object"))
        return reply

    @staticmethod
    def _field(reply: dict[str, Any], name: str) -> Any:
        try:
            return reply[name]
        except KeyError:
            raise qrmi.QrmiError(f"missing field `{name}` in the daemon's reply") from None


def _segment(identifier: str) -> str:
    return quote(identifier, safe="")


def _refusal(response: httpx.Response, task: bool) -> qrmi.QrmiError:
    code = response.status_code
    try:
        phrase = HTTPStatus(code).phrase
    except ValueError:
        phrase = response.reason_phrase
    kind = qrmi.TaskNotFoundError if task and code == 404 else _ERRORS.get(code, qrmi.QrmiError)
    return kind(f"Status: {code} {phrase}, Fail {redact(_detail(response))}")


def _detail(response: httpx.Response) -> str:
    text = response.text.strip()
    try:
        found = response.json()
    except ValueError:
        return text
    detail = found.get("detail") if isinstance(found, dict) else None
    return detail if isinstance(detail, str) else text
