"""The client in pure Python against the recording server, and beside the real wheel."""

from __future__ import annotations

import json
import os
import threading

import pytest
import qrmi
from opentelemetry import trace

from qwatch.qrmi.instrument import instrument
from qwatch.qrmi.local_auth import TokenFileError
from qwatch.qrmi.local_client import LocalDaemonResource
from qwatch.telemetry.trace_context import format_traceparent


@pytest.fixture
def local(north, token_file):
    north.auth = "local"
    resource = LocalDaemonResource("EMU", f"{north.url}/devices/EMU/", token_file=token_file)
    yield resource
    resource.close()


def test_a_session_and_a_task(local, north, payload, run_task):
    token = local.acquire()
    assert run_task(local, payload) == '{"counter": {"01": 100}}'
    assert local.task_logs("1") == "log of 1"
    assert local.task_stop("1") is None
    assert local.release(token) is None
    assert north.sessions == {token: "released"}
    assert {request.path.split("/")[2] for request in north.requests} == {"EMU"}
    (created,) = north.of("POST", "/jobs")
    assert created.body == {"sequence": payload.sequence, "shots": 100}
    assert created.headers["x-warden-session"] == token
    (opened,) = north.of("POST", "/sessions")
    assert opened.body == {"user_id": str(os.getuid()), "slurm_job_id": str(os.getpid())}


def test_the_session_of_the_job_is_used(local, north, payload, monkeypatch):
    north.sessions["of-the-job"] = "open"
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "of-the-job")
    local.task_start(payload)
    assert north.of("POST", "/jobs")[0].headers["x-warden-session"] == "of-the-job"


def test_no_session_is_an_error_as_with_the_wheel(local, payload, wheel_resource):
    messages = []
    for resource in (local, wheel_resource):
        with pytest.raises(qrmi.EnvVarNotSetError) as caught:
            resource.task_start(payload)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_sends_and_returns_what_the_wheel_does(north, wheel_resource, payload, monkeypatch):
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "session-token-0")
    own = LocalDaemonResource("EMU", f"{north.url}/devices/EMU")
    seen = []
    for resource in (wheel_resource, own):
        north.requests.clear()
        north.sessions.clear()
        north.jobs.clear()
        north.steps = ["PENDING", "RUNNING", "DONE"]
        values = [
            resource.acquire(),
            resource.is_accessible(),
            resource.status().to_dict(),
            json.loads(resource.target().value),
            resource.metadata(),
            resource.resource_id(),
            resource.resource_type(),
            resource.task_start(payload),
            *(resource.task_status("1") for _ in range(3)),
            resource.task_result("1").value,
            resource.task_logs("1"),
            resource.task_stop("1"),
            resource.task_status("1"),
            resource.release("session-token-0"),
        ]
        own_headers = ("content-type", "x-warden-session")
        seen.append(
            (
                values,
                [
                    (r.method, r.path, r.body, {name: r.headers.get(name) for name in own_headers})
                    for r in north.requests
                ],
                ["x-munge-cred" in r.headers for r in north.requests],
            )
        )
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (401, qrmi.AuthenticationFailedError),
        (403, qrmi.QrmiError),
        (404, qrmi.TaskNotFoundError),
        (409, qrmi.QrmiError),
        (422, qrmi.InvalidInputError),
        (503, qrmi.QrmiError),
    ],
)
def test_refusals_are_the_wheels_classes_with_the_daemons_line(local, north, code, kind):
    north.refusals["GET", "/jobs"] = (code, json.dumps({"detail": "what was wrong"}))
    with pytest.raises(qrmi.QrmiError) as caught:
        local.task_status("5")
    assert type(caught.value) is kind
    assert str(caught.value).startswith(f"Status: {code} ")
    assert str(caught.value).endswith(", Fail what was wrong")


def test_a_refusal_that_is_no_json_is_shown_as_it_is(local, north):
    north.refusals["GET", "/qpu"] = (502, "<html>bad gateway</html>")
    with pytest.raises(qrmi.QrmiError, match=r"Status: 502 Bad Gateway, Fail <html>bad gateway</html>"):
        local.target()


def test_odd_replies_are_errors_of_the_library(local, north):
    for reply in ("[]", "no json", "{}", '{"status": "WHAT"}', '{"status": []}'):
        north.refusals["GET", "/jobs"] = (200, reply)
        with pytest.raises(qrmi.QrmiError):
            local.task_status("5")


def test_results_that_are_not_ready(local, north, payload, wheel_resource, monkeypatch):
    north.auth, north.steps = "any", ["PENDING", "ERROR"]
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", local.acquire())
    messages = []
    for resource in (local, wheel_resource):
        identifier = resource.task_start(payload)
        for _ in range(2):
            with pytest.raises(qrmi.TaskNotReadyError) as caught:
                resource.task_result(identifier)
            messages.append(str(caught.value).replace(f"task {identifier}", "task N"))
    assert messages[:2] == messages[2:]


def test_a_daemon_that_is_gone(token_file):
    resource = LocalDaemonResource("EMU", "http://127.0.0.1:9", token_file=token_file)
    with pytest.raises(qrmi.QrmiError, match=r"error sending request for url \(http://127.0.0.1:9/sessions\)"):
        resource.acquire()


def test_no_credential_in_an_error(token_file):
    resource = LocalDaemonResource("EMU", "http://127.0.0.1:9", token_file=token_file)
    with pytest.raises(qrmi.QrmiError) as caught:
        resource.release("a-session-that-was-open")
    assert "a-session" not in str(caught.value)


def test_an_offline_device_tells_why(local, north):
    north.accessible = {"is_accessible": False, "message": "maintenance until noon"}
    status = local.status()
    assert status.status == qrmi.ResourceStatusCode.Offline
    assert status.status_reason == "maintenance until noon"
    assert local.is_accessible() is False
    assert all("authorization" not in request.headers for request in north.requests)


def test_only_pulser_payloads(local):
    with pytest.raises(qrmi.UnsupportedPayloadError, match="QiskitPrimitive"):
        local.task_start(qrmi.Payload.QiskitPrimitive(input="{}", program_id="sampler"))


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_token_that_others_may_use_is_refused(north, token_file, mode):
    token_file.chmod(mode)
    with pytest.raises(TokenFileError, match=f"mode {mode:04o}.*chmod 600"):
        LocalDaemonResource("EMU", north.url, token_file=token_file)


def test_missing_empty_and_odd_token_files_are_refused(north, tmp_path):
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    for path, message in (
        (tmp_path / "absent", "cannot be read"),
        (empty, "is empty"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(TokenFileError, match=message):
            LocalDaemonResource("EMU", north.url, token_file=path)


def test_a_new_token_is_taken_up(local, token_file):
    local.target()
    token_file.write_text("qwt_another-token-of-a-restarted-daemon")
    with pytest.raises(qrmi.AuthenticationFailedError):
        local.target()


def test_the_trace_context_goes_along(local, north, payload, telemetry):
    resource = instrument(local, **telemetry.providers)
    resource.acquire()
    resource.task_start(payload)
    resource.close()
    (created,) = north.of("POST", "/jobs")
    producer = telemetry.one("task_start EMU")
    assert created.headers["traceparent"] == format_traceparent(producer.context)
    assert north.of("POST", "/trace") == []
    assert not trace.get_current_span().get_span_context().is_valid


def test_threads_may_share_it(local, north, payload, run_task):
    local.acquire()
    results = []
    threads = [threading.Thread(target=lambda: results.append(run_task(local, payload))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ['{"counter": {"01": 100}}'] * 8


def test_the_queue_that_the_daemon_tells_is_in_the_status(north, token_file):
    local = LocalDaemonResource("EMU", north.url, token_file=token_file)
    assert local.status().pending_job_count is None
    north.accessible |= {"pending": 3}
    assert local.status().pending_job_count == 3
