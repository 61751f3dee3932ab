"""``auth: local``: for one user's own machine, without MUNGE, and no wider than that."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwatch.scheduler.api.identity import Proof
from qwatch.scheduler.api.local_authentication import LocalAuthenticator
from qwatch.scheduler.errors import AuthenticationError
from qwatch.scheduler.settings import ApiSettings


@pytest.fixture(scope="module")
def daemon(run_daemon: Any, run_device: Any, device_at: Any) -> Iterator[Any]:
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)]) as found:
        yield found


def test_the_token_file_is_made_for_its_owner_alone(daemon: Any) -> None:
    status = daemon.token_file.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == os.getuid()
    assert len(daemon.token_file.read_text().strip()) > 40


def test_a_warning_stands_in_the_log(daemon: Any) -> None:
    (line,) = [line for line in daemon.log.splitlines() if '"level": "warning"' in line]
    assert "auth: local" in line


def test_a_job_runs_without_munge(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, tmp_path: Path
) -> None:
    api = {"munge_socket": str(tmp_path / "nothing")}
    with run_device() as qpu, run_daemon(devices=[device_at(qpu.url)], api=api) as daemon:
        job = daemon.finished(daemon.submit(daemon.acquire(), sequence_text, 10))
        assert (job["status"], job["user_id"]) == ("DONE", str(os.getuid()))


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer qwt_wrong",
        "Basic cXd0Og==",
        "{token}",
        "Bearer {token}x",
        "Bearer é",
    ],
)
def test_a_missing_or_wrong_token_is_refused(daemon: Any, authorization: str | None) -> None:
    token = daemon.token_file.read_text().strip()
    sent = {} if authorization is None else {"authorization": authorization.format(token=token).encode()}
    answer = httpx.get(f"{daemon.url}/jobs", headers=sent)
    assert answer.status_code == 401
    assert token not in answer.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8006", 200),
        ("127.0.0.1", 200),
        ("127.0.0.2:1", 200),
        ("[::1]:8006", 200),
        ("[::1", 401),
        ("localhost@evil.example", 401),
        ("evil.example", 401),
        ("evil.example:8006", 401),
        ("127.0.0.1.evil.example", 401),
        ("127.evil.example", 401),
        ("localhost.evil.example", 401),
        ("169.254.169.254", 401),
        ("", 401),
    ],
)
def test_only_loopback_host_names_are_answered_so_that_dns_rebinding_fails(
    daemon: Any, host: str, status: int
) -> None:
    assert daemon.client.get("/jobs", headers={"host": host}).status_code == status


def test_many_wrong_tokens_are_slowed_down(run_daemon: Any, device_at: Any, free_port: Any) -> None:
    unreachable = f"http://127.0.0.1:{free_port()}"
    with run_daemon(online=False, devices=[device_at(unreachable)]) as daemon, httpx.Client() as client:
        wrong = {"authorization": "Bearer qwt_guess"}
        codes = [client.get(f"{daemon.url}/jobs", headers=wrong).status_code for _ in range(50)]
        assert codes[0] == 401
        assert codes[-1] == 503
        assert daemon.ok("GET", "/jobs") == {"jobs": [], "next_before": None}


def refusal(daemon: Any) -> str:
    """Start a daemon that must not start; return the one line that says why."""
    daemon.write_configuration()
    daemon.spawn()
    assert daemon.wait() == 1
    lines = [line for line in daemon.log.splitlines() if line.startswith("qwatch: ")]
    assert len(lines) == 1, daemon.log
    return str(lines[0])


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_token_file_that_others_may_read_is_refused(run_daemon: Any, device_at: Any, mode: int) -> None:
    with run_daemon(start=False, devices=[device_at("http://127.0.0.1:9")]) as daemon:
        daemon.token_file.write_text("qwt_" + "A" * 43 + "\n")
        daemon.token_file.chmod(mode)
        line = refusal(daemon)
        assert "api.token_file" in line
        assert "chmod 600" in line


def test_an_empty_token_file_is_refused(run_daemon: Any, device_at: Any) -> None:
    with run_daemon(start=False, devices=[device_at("http://127.0.0.1:9")]) as daemon:
        daemon.token_file.touch(0o600)
        assert "is empty" in refusal(daemon)


def test_a_token_file_in_a_folder_that_is_not_there_is_refused(run_daemon: Any, device_at: Any) -> None:
    api = {"token_file": "/nonexistent/folder/token"}
    with run_daemon(start=False, devices=[device_at("http://127.0.0.1:9")], api=api) as daemon:
        assert "/nonexistent/folder/token" in refusal(daemon)


def test_a_device_that_is_no_emulator_is_refused(run_daemon: Any, device_at: Any) -> None:
    with run_daemon(start=False, devices=[device_at("http://127.0.0.1:9", simulator=False)]) as daemon:
        line = refusal(daemon)
        assert "EMU" in line
        assert "api.allow_local_auth_for_real_devices" in line


def test_an_address_beyond_loopback_is_refused(run_daemon: Any, device_at: Any) -> None:
    api = {"host": "0.0.0.0"}
    with run_daemon(start=False, devices=[device_at("http://127.0.0.1:9")], api=api) as daemon:
        assert "api.host" in refusal(daemon)


def test_a_missing_key_for_the_token_file_is_refused(run_daemon: Any, device_at: Any) -> None:
    with run_daemon(start=False, devices=[device_at("http://127.0.0.1:9")]) as daemon:
        del daemon.configuration["api"]["token_file"]
        assert "api.token_file" in refusal(daemon)


def test_a_taken_port_is_one_line_with_its_owner(daemon: Any, run_daemon: Any, device_at: Any) -> None:
    with run_daemon(start=False, devices=[device_at("http://127.0.0.1:9")]) as second:
        second.configuration["api"]["port"] = int(daemon.url.rpartition(":")[2])
        line = refusal(second)
        assert "api.port" in line
        assert f"pid {daemon.pid}" in line


def test_a_store_that_cannot_be_opened_is_one_line(run_daemon: Any, device_at: Any) -> None:
    store = {"url": "sqlite:////nonexistent/qwatch.db"}
    with run_daemon(start=False, devices=[device_at("http://127.0.0.1:9")], store=store) as daemon:
        assert "/nonexistent/qwatch.db" in refusal(daemon)


def test_a_store_of_a_newer_qwatch_is_refused(run_daemon: Any, device_at: Any) -> None:
    import sqlite3

    with run_daemon(start=False, devices=[device_at("http://127.0.0.1:9")]) as daemon:
        with sqlite3.connect(daemon.store) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            connection.execute("INSERT INTO alembic_version VALUES ('9999')")
        connection.close()
        assert "newer qwatch" in refusal(daemon)


def test_a_damaged_store_is_one_line(run_daemon: Any, device_at: Any) -> None:
    with run_daemon(start=False, devices=[device_at("http://127.0.0.1:9")]) as daemon:
        daemon.store.write_bytes(b"this is no database\n" * 100)
        assert "store" in refusal(daemon)


@pytest.mark.parametrize(
    ("peer", "taken"),
    [("127.0.0.1", True), ("::1", True), ("172.30.86.1", True), ("172.30.86.2", False), ("192.0.2.1", False)],
)
def test_the_token_is_taken_from_loopback_and_the_networks_that_are_named(
    tmp_path: Path, peer: str, taken: bool
) -> None:
    file = tmp_path / "token"
    authenticator = LocalAuthenticator(
        ApiSettings(auth="local", token_file=file, local_token_hosts=["172.30.86.1/32"])
    )
    proof = Proof(
        peer=peer,
        host_header="localhost",
        munge=None,
        authorization=f"Bearer {file.read_text().strip()}",
        changes=False,
    )
    if taken:
        assert asyncio.run(authenticator.identify(proof)).uid == os.getuid()
    else:
        with pytest.raises(AuthenticationError, match="local_token_hosts"):
            asyncio.run(authenticator.identify(proof))
