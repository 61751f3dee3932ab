"""Bad input: a clear 4xx with one line each, and the queue unharmed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest


@pytest.fixture(scope="module")
def daemon(run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str) -> Iterator[Any]:
    """A daemon that still does its work after all the bad input of this module."""
    with run_device(shot_rate=1e6) as qpu, run_daemon(devices=[device_at(qpu.url)]) as found:
        yield found
        for shots in (1, 2):
            number = found.submit(found.acquire(), sequence_text, shots)
            assert found.finished(number)["status"] == "DONE"
        assert qpu.shots() == [1, 2], "nothing of the bad input reached the device"


@pytest.fixture(scope="module")
def token(daemon: Any) -> str:
    return str(daemon.acquire())


def submit_text(daemon: Any, token: str, body: bytes, **headers: str) -> httpx.Response:
    sent = {"content-type": "application/json", "x-warden-session": token} | headers
    answer: httpx.Response = daemon.client.post("/jobs", content=body, headers=sent)
    return answer


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b'{"sequence": "{}", "shots": 1',
        b"[" * 100_000,
        b'{"shots": ' + b"9" * 100_000 + b', "sequence": "{}"}',
        b'{"sequence": "\\ud800", "shots": 1}',
        b'{"shots": 1}',
        b'{"sequence": "{}"}',
        b'{"sequence": null, "shots": 1}',
        b'{"sequence": 5, "shots": 1}',
        b'{"sequence": ["a"], "shots": 1}',
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
def test_a_malformed_body_is_refused(daemon: Any, token: str, body: bytes) -> None:
    answer = submit_text(daemon, token, body)
    assert answer.status_code in (400, 422), answer.text
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    assert detail
    assert "\n" not in detail
    assert len(detail) < 400


@pytest.mark.parametrize(
    "shots",
    [
        "0",
        "-1",
        "-5",
        "1000000000",
        "1000000000000",
        "2001",
        "1.5",
        "1.0",
        "1e2",
        '"100"',
        "true",
        "null",
        "[]",
        "NaN",
        "1e999",
    ],
)
def test_a_wrong_number_of_shots_is_refused(daemon: Any, token: str, sequence_text: str, shots: str) -> None:
    body = f'{{"sequence": {json.dumps(sequence_text)}, "shots": {shots}}}'
    answer = submit_text(daemon, token, body.encode())
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"].startswith("shots")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "{}",
        "[]",
        "null",
        "7",
        '"x"',
        "{" * 5000,
        "[" * 100_000,
        '{"version": "1"}',
        "9" * 5000,
        "\x00",
        "NaN",
    ],
    ids=lambda text: text[:16],
)
def test_a_sequence_that_is_none_is_refused(daemon: Any, token: str, text: str) -> None:
    detail = daemon.refused(422, "POST", "/jobs", **daemon.submission(token, text, 10))
    assert detail.startswith("sequence: ")
    assert len(detail) < 400


def change(sequence_text: str, **changes: Any) -> str:
    return json.dumps(json.loads(sequence_text) | changes)


def test_a_sequence_for_another_device_is_refused_and_told_which(
    daemon: Any, token: str, sequence_text: str
) -> None:
    device = json.loads(sequence_text)["device"] | {"name": "FRESNEL"}
    text = change(sequence_text, device=device)
    detail = daemon.refused(422, "POST", "/jobs", **daemon.submission(token, text, 10))
    assert "FRESNEL" in detail
    assert "EMU" in detail


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"device": "FRESNEL"}, "FRESNEL"),
        ({"device": None}, "None"),
        ({"device": {}}, "None"),
        ({"register": []}, "no atoms"),
        ({"register": None}, "no atoms"),
        ({"register": {"q0": 1}}, "no atoms"),
        ({"register": [{"name": f"q{i}", "x": 0, "y": 0} for i in range(81)]}, "81 atoms"),
        ({"variables": {"omega": {"type": "float"}}}, "parametrized"),
    ],
)
def test_a_sequence_that_the_device_cannot_take_is_refused(
    daemon: Any, token: str, sequence_text: str, changes: dict[str, Any], told: str
) -> None:
    text = change(sequence_text, **changes)
    assert told in daemon.refused(422, "POST", "/jobs", **daemon.submission(token, text, 10))


def test_fifty_megabytes_get_a_413_that_can_be_read(daemon: Any, token: str, sequence_text: str) -> None:
    detail = daemon.refused(
        413, "POST", "/jobs", **daemon.submission(token, sequence_text + " " * 50_000_000, 1)
    )
    assert "api.max_body_bytes" in detail


def test_fifty_megabytes_in_chunks_of_unknown_number_get_a_413(daemon: Any, token: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"shots": 1, "sequence": "'
        for _ in range(50):
            yield b" " * 1_000_000
        yield b'"}'

    headers = {"x-warden-session": token, "content-type": "application/json"}
    detail = daemon.refused(413, "POST", "/jobs", content=chunks(), headers=headers)
    assert "api.max_body_bytes" in detail


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/devices/NOWHERE/accessible", 404),
        ("GET", "/devices/NOWHERE/jobs", 404),
        ("POST", "/devices/NOWHERE/sessions", 404),
        ("POST", "/devices/EMU/classes/vip/jobs", 404),
        ("GET", f"/jobs/{2**40}", 404),
        ("GET", f"/jobs/{2**80}", 404),
        ("GET", "/jobs/0", 404),
        ("GET", "/jobs/-1", 404),
        ("GET", f"/jobs/{2**40}/logs", 404),
        ("POST", f"/jobs/{2**40}/cancel", 404),
        ("GET", "/jobs/" + "9" * 5000, 422),
        ("GET", "/jobs/abc", 422),
        ("GET", "/jobs/1.5", 422),
        ("GET", "/jobs?limit=0", 422),
        ("GET", "/jobs?limit=1001", 422),
        ("GET", "/jobs?limit=x", 422),
        ("GET", "/jobs?before=0", 422),
        ("DELETE", "/sessions/unknown", 404),
        ("DELETE", "/sessions/" + "x" * 5000, 404),
        ("DELETE", "/sessions/%ff%00", 404),
        ("GET", "/nothing", 404),
        ("PATCH", "/jobs", 405),
    ],
)
def test_a_wrong_path_is_refused(daemon: Any, token: str, method: str, path: str, status: int) -> None:
    body = {"sequence": "{}", "shots": 1, "user_id": "0"} if method == "POST" else None
    daemon.refused(status, method, path, json=body, headers={"x-warden-session": token})


def test_a_page_before_a_number_beyond_any_job_is_the_newest_page(daemon: Any) -> None:
    assert daemon.ok("GET", f"/jobs?before={2**70}") == daemon.ok("GET", "/jobs")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_id": ""},
        {"user_id": "root"},
        {"user_id": "-1"},
        {"user_id": "1.5"},
        {"user_id": "٣"},
        {"user_id": str(2**32)},
        {"user_id": "9" * 5000},
        {"user_id": None},
        {"user_id": True},
        {"user_id": ["0"]},
        {"user_id": "0", "slurm_job_id": {"a": 1}},
        {"user_id": "0", "slurm_job_id": "x" * 10_000},
    ],
)
def test_a_session_for_nobody_that_exists_is_refused(daemon: Any, body: dict[str, Any]) -> None:
    assert len(daemon.refused(422, "POST", "/sessions", json=body)) < 300


@pytest.mark.parametrize("token", [None, "", "x", "qws_" + "A" * 43, "é" * 10, "x" * 5000])
def test_a_job_without_a_known_session_is_refused(daemon: Any, sequence_text: str, token: str | None) -> None:
    headers = {} if token is None else {"x-warden-session": token.encode()}
    body = {"sequence": sequence_text, "shots": 1}
    assert "acquire" in daemon.refused(403, "POST", "/jobs", json=body, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"traceparent": ""},
        {"traceparent": "00-zz-zz-01"},
        {"traceparent": "x" * 56},
        {"traceparent": "00-" + "0" * 32 + "-00f067aa0ba902b7-01"},
        {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "sdk": "a b"},
        {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "sdk": "x" * 65},
    ],
)
def test_a_malformed_trace_is_refused(daemon: Any, body: dict[str, str]) -> None:
    daemon.refused(422, "POST", "/jobs/1/trace", json=body)


@pytest.mark.parametrize("traceparent", ["", "junk", "00-" + "f" * 500, "ÿ"])
def test_a_traceparent_from_a_stranger_does_not_refuse_a_request(
    daemon: Any, sequence_text: str, traceparent: str
) -> None:
    headers = {"x-warden-session": "unknown", "traceparent": traceparent.encode("latin-1")}
    daemon.refused(403, "POST", "/jobs", headers=headers, json={"sequence": sequence_text, "shots": 1})


@pytest.mark.parametrize(
    "text",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: nonsense\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
    ids=lambda text: text[:20].decode("latin-1"),
)
def test_bytes_that_are_no_http_do_not_harm(daemon: Any, text: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(daemon.url.rpartition(":")[2])), timeout=30) as client:
        client.settimeout(1)
        try:
            client.sendall(text)
            client.recv(4096)
        except OSError:
            pass
    assert daemon.answers()


def test_clients_that_go_away_do_not_harm(daemon: Any, token: str) -> None:
    """The request is cut off in the middle of its body, many times."""
    port = int(daemon.url.rpartition(":")[2])
    secret = daemon.token_file.read_text().strip()
    head = (
        f"POST /jobs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {secret}\r\n"
        f"X-Warden-Session: {token}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    )
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(head.encode() + b'{"sequence": "')
    assert daemon.ok("GET", "/status")["pending"] == 0
