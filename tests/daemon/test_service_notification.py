"""systemd is told when the daemon is ready, alive and stopping; a real socket hears it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from qwatch.daemon.health import Finding
from qwatch.daemon.service_manager import ServiceManager
from qwatch.daemon.service_notification import service_manager_told

MUNGE_SOCKET = Path("/run/munge/munge.socket.2")
GOOD = Finding("part", True, "works")
BAD = Finding("part", False, "does\nnot work")


class Listener:
    """What systemd does: a datagram socket, and the assignments that arrived at it."""

    def __init__(self, path: Path | str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(os.fspath(path))
        self.socket.setblocking(False)
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        """Return all that was heard so far."""
        while True:
            try:
                self.heard += self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.heard

    def hears(self, assignment: str) -> bool:
        return assignment in self.listen()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    found = Listener(tmp_path / "notify")
    yield found
    found.socket.close()


def manager(tmp_path: Path, **more: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), **more})


def test_a_daemon_is_ready_when_readyz_is_then_alive_then_stopping(
    listener: Listener,
    tmp_path: Path,
    munged: None,
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    wait_until: Any,
) -> None:
    munge = tmp_path / "munge.socket"
    variables = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
    with (
        run_device() as device,
        run_daemon(
            online=False,
            api={"auth": "munge", "munge_socket": str(munge)},
            devices=[device_at(device.url)],
            environment=variables,
        ) as daemon,
    ):
        wait_until(lambda: any(item.startswith("STATUS=not ready: munge: ") for item in listener.listen()))
        assert httpx.get(f"{daemon.metrics_url}/readyz").status_code == 503
        assert not listener.hears("READY=1")
        assert not listener.hears("WATCHDOG=1")
        munge.symlink_to(MUNGE_SOCKET)
        wait_until(lambda: listener.hears("READY=1"), daemon.log)
        assert httpx.get(f"{daemon.metrics_url}/readyz").status_code == 200
        wait_until(lambda: listener.listen().count("WATCHDOG=1") >= 3)
        assert listener.heard.index("READY=1") < listener.heard.index("WATCHDOG=1")
        daemon.send(signal.SIGSTOP)
        wait_until(lambda: psutil.Process(daemon.pid).status() == psutil.STATUS_STOPPED)
        before = listener.listen().count("WATCHDOG=1")
        time.sleep(0.6)  # twice the watchdog's time, in which systemd restarts it
        assert listener.listen().count("WATCHDOG=1") == before
        daemon.send(signal.SIGCONT)
        wait_until(lambda: listener.listen().count("WATCHDOG=1") > before)
        assert not listener.hears("STOPPING=1")
        daemon.send(signal.SIGTERM)
        wait_until(lambda: listener.hears("STOPPING=1"))
        assert daemon.wait() == 0
        assert listener.heard.count("READY=1") == listener.heard.count("STOPPING=1") == 1


def test_an_observer_and_an_emulated_qpu_tell_it_too(
    tmp_path: Path, run_emulator: Any, run_daemon: Any, wait_until: Any
) -> None:
    with run_emulator() as emulator:
        emulator.stop()
        hears = Listener(tmp_path / "emulator")
        emulator.environment["NOTIFY_SOCKET"] = str(tmp_path / "emulator")
        emulator.start()
        wait_until(lambda: hears.hears("READY=1"))
        observed = [{"name": "EMU", "qpu_api": {"url": emulator.url}}]
        variables = {"NOTIFY_SOCKET": str(tmp_path / "observer"), "WATCHDOG_USEC": "300000"}
        told = Listener(tmp_path / "observer")
        with run_daemon(start=False, observer={"devices": observed}, environment=variables) as daemon:
            daemon._verb = (*daemon._verb, "--role", "observer")
            daemon.write_configuration()
            daemon.spawn()
            wait_until(lambda: told.hears("READY=1"), "the observer is never ready")
            wait_until(lambda: told.hears("WATCHDOG=1"))
            assert daemon.stop() == 0
        assert told.hears("STOPPING=1")
        assert emulator.stop() == 0
        assert hears.hears("STOPPING=1")
        for heard in (hears, told):
            heard.socket.close()


def serve(
    tmp_path: Path, work: Callable[[ServiceManager], Any], heartbeat: Callable[[], Finding] = lambda: GOOD
) -> None:
    """Run ``work`` as the service, with a watchdog of 30 ms."""

    async def findings() -> list[Finding]:
        return [GOOD]

    async def run() -> None:
        told = manager(tmp_path, WATCHDOG_USEC="30000", WATCHDOG_PID=str(os.getpid()))
        async with service_manager_told(findings, heartbeat, told):
            await work(told)

    asyncio.run(run())


def test_nothing_is_heard_of_a_loop_that_is_blocked(tmp_path: Path, listener: Listener) -> None:
    async def work(_: ServiceManager) -> None:
        while not listener.hears("WATCHDOG=1"):
            await asyncio.sleep(0.001)
        before = listener.listen().count("WATCHDOG=1")
        time.sleep(0.3)  # what a loop that hangs does: ten times the watchdog's time
        assert listener.listen().count("WATCHDOG=1") == before
        while listener.listen().count("WATCHDOG=1") == before:
            await asyncio.sleep(0.001)

    serve(tmp_path, work)


def test_nothing_is_heard_while_the_heartbeat_is_bad(tmp_path: Path, listener: Listener) -> None:
    asked: list[Finding] = []
    good = True

    def heartbeat() -> Finding:
        asked.append(GOOD if good else BAD)
        return asked[-1]

    async def work(_: ServiceManager) -> None:
        nonlocal good
        while GOOD not in asked:
            await asyncio.sleep(0.001)
        good = False
        while asked.count(BAD) < 5:
            await asyncio.sleep(0.001)
        heard = listener.listen()
        assert heard.count("WATCHDOG=1") == asked.count(GOOD)
        assert heard.count("STATUS=hangs: part: does not work") == 1, "one line, told once"
        good = True
        while listener.listen().count("STATUS=ready") < 2:
            await asyncio.sleep(0.001)

    serve(tmp_path, work, heartbeat)


def test_without_a_service_manager_nothing_is_asked() -> None:
    async def findings() -> list[Finding]:
        raise AssertionError

    async def run() -> None:
        async with service_manager_told(findings, lambda: GOOD, ServiceManager({})):
            await asyncio.sleep(0)

    asyncio.run(run())


def test_the_variables_are_not_left_to_programs_that_are_started(tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1", "HOME": "/"}
    found = ServiceManager(environment)
    assert environment == {"HOME": "/"}
    assert found.watchdog_seconds is None, "the watchdog of another process"
    assert ServiceManager({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "3000000"}).watchdog_seconds == 3.0


def test_an_abstract_socket_is_told_and_one_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    name = f"qwatch-test-{os.getpid()}"
    abstract = Listener(f"\0{name}")
    ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).tell("READY=1", "STATUS=ready")
    assert abstract.listen() == ["READY=1", "STATUS=ready"]
    abstract.socket.close()
    ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).tell("READY=1")
    manager(tmp_path / "absent").tell("READY=1")
