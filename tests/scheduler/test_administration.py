"""What administrators set holds at once, for everyone, and is in the audit log in the same transaction."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from qwatch.scheduler.api.application import create_api
from qwatch.scheduler.api.identity import HostAddresses, Identity, Proof, Rights
from qwatch.scheduler.audit import Actor
from qwatch.scheduler.devices.qpu_http import QpuHttpAdapter
from qwatch.scheduler.errors import ConflictError, UnavailableError
from qwatch.scheduler.scheduler import Scheduler
from qwatch.scheduler.settings import ApiSettings, DeviceSettings, SchedulerSettings, StoreSettings
from qwatch.scheduler.windows import NewWindow, WindowKind
from qwatch.telemetry.instruments import Instruments

ROOT = Actor(0, "unix socket")
HERE, NODE = "127.0.0.1", "10.1.0.7"
DRAIN = NewWindow(qpu_id="EMU", kind=WindowKind.DRAIN, message="laser exchange")


def answer(request: httpx.Request) -> httpx.Response:
    """A QPU that is up and has specs."""
    data = {"operational_status": "UP"} if request.url.path.endswith("operational") else {"specs": {}}
    return httpx.Response(200, json={"code": 200, "message": "OK.", "status": "success", "data": data})


def run(folder: Path, work: Callable[[Scheduler], Awaitable[Any]], **api: Any) -> Any:
    """Run ``work`` with a scheduler."""

    async def main() -> Any:
        scheduler = new_scheduler(folder, **api)
        await scheduler.start()
        while not scheduler.default_device.reachable:
            await asyncio.sleep(0.005)
        try:
            return await work(scheduler)
        finally:
            await scheduler.stop()

    return asyncio.run(asyncio.wait_for(main(), 60))


def new_scheduler(folder: Path, **api: Any) -> Scheduler:
    return Scheduler(
        ApiSettings.model_validate(api),
        StoreSettings(url=f"sqlite:///{folder / 'qwatch.db'}"),
        [DeviceSettings(name="EMU", url="http://qpu", status_interval=0.05)],
        SchedulerSettings(trace_grace=0),
        Instruments(CollectorRegistry()),
        lambda settings: QpuHttpAdapter(settings, httpx.MockTransport(answer)),
    )


class ByHeader:
    """Believes the header ``x-uid``: the rights that follow are the real ones."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._rights = Rights(scheduler.api, HostAddresses(), scheduler.run_time)

    async def load(self) -> None:
        """Nothing is remembered."""

    async def identify(self, proof: Proof) -> Identity:
        assert proof.authorization is not None
        return self._rights.identity(int(proof.authorization), proof.peer)


def client(scheduler: Scheduler, uid: int, address: str = HERE) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_api(scheduler, ByHeader(scheduler)), client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://daemon", headers={"authorization": str(uid)})


def test_a_drain_refuses_users_until_it_is_resumed_whoever_asks_again(tmp_path: Path) -> None:
    async def work(scheduler: Scheduler) -> None:
        administration, device = scheduler.administration, scheduler.default_device
        await administration.begin(ROOT, DRAIN)
        await administration.begin(ROOT, NewWindow(qpu_id="EMU", kind=WindowKind.DRAIN, note="ask Ada"))
        with pytest.raises(UnavailableError, match=r"^laser exchange$"):
            await scheduler.create_session(device, 1000, None, 0)
        with pytest.raises(UnavailableError, match=r"^laser exchange$"):
            await scheduler.create_session(device, 0, None, 0, "qa")
        assert await administration.resume(ROOT, "EMU") is not None
        assert await administration.resume(ROOT, "EMU") is None
        await scheduler.create_session(device, 1000, None, 0)
        with pytest.raises(ConflictError, match="no maintenance of EMU is open"):
            await administration.end(ROOT, "EMU", WindowKind.MAINTENANCE)
        acts = [act.action for act in await administration.audit_entries(limit=10)]
        assert acts == ["drain.end", "drain.change", "drain.begin"], "what changed nothing is not an act"

    run(tmp_path, work)


def test_only_the_site_itself_runs_quality_jobs_in_a_window_that_lets_them(tmp_path: Path) -> None:
    async def work(scheduler: Scheduler) -> None:
        device = scheduler.default_device
        window = NewWindow(qpu_id="EMU", kind=WindowKind.CALIBRATION, procedure="full", allow_qa=True)
        await scheduler.administration.begin(ROOT, window)
        await scheduler.create_session(device, 500, None, 0, "qa")
        for uid, job_class in ((500, "production"), (1000, "qa"), (1000, None)):
            with pytest.raises(UnavailableError, match="EMU is being calibrated"):
                await scheduler.create_session(device, uid, None, 0, job_class)

    run(tmp_path, work, admin_users=[0, 500])


def test_an_act_and_its_entry_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    async def work(scheduler: Scheduler) -> None:
        def refuse(connection: Any) -> None:
            connection.execute(
                text(
                    "CREATE TRIGGER full BEFORE INSERT ON audit_log"
                    " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
                )
            )

        await scheduler.store.write(refuse)
        with pytest.raises(Exception, match="the disk is full"):
            await scheduler.administration.begin(ROOT, DRAIN)
        assert scheduler.default_device.windows.windows == ()
        assert await scheduler.administration.windows_of("EMU", 10) == []

    run(tmp_path, work)


def test_authorised_users_hold_at_once_also_in_other_replicas_and_after_a_restart(tmp_path: Path) -> None:
    async def statuses(scheduler: Scheduler) -> tuple[int, int]:
        found = []
        for uid in (1000, 1001):
            async with client(scheduler, uid) as http:
                found.append((await http.get("/jobs")).status_code)
        return found[0], found[1]

    async def work(scheduler: Scheduler) -> None:
        replica = new_scheduler(tmp_path, authorized_users=[1001])
        replica.store.start()
        assert await statuses(scheduler) == await statuses(replica) == (403, 200)
        await scheduler.administration.set_authorized_users(ROOT, [1000], "new project")
        assert await statuses(scheduler) == (200, 403)
        await replica.administration.refresh()
        assert await statuses(replica) == (200, 403)
        await replica.administration.change_authorized_users(ROOT, add=[1001])
        await replica.administration.change_authorized_users(ROOT, remove=[1000])
        await scheduler.administration.refresh()
        assert await statuses(scheduler) == await statuses(replica) == (403, 200)
        await scheduler.administration.set_authorized_users(ROOT, None)
        assert await statuses(scheduler) == (200, 200)
        with pytest.raises(ConflictError, match="all users are authorised"):
            await scheduler.administration.change_authorized_users(ROOT, add=[7])
        await replica.store.stop()

    async def restarted(scheduler: Scheduler) -> None:
        assert await statuses(scheduler) == (200, 200)
        await scheduler.administration.reset(ROOT, "authorized_users")
        assert await statuses(scheduler) == (403, 200)

    run(tmp_path, work, authorized_users=[1001])
    run(tmp_path, restarted, authorized_users=[1001])


@pytest.mark.parametrize(
    ("uid", "address", "status"),
    [(0, HERE, 200), (500, "10.2.0.1", 200), (0, NODE, 403), (1000, HERE, 403), (500, NODE, 403)],
)
def test_only_administrators_from_the_hosts_of_administration_may(
    tmp_path: Path, uid: int, address: str, status: int
) -> None:
    """Root's credential from a compute node may have been stolen by a job's user: it changes nothing here."""

    async def work(scheduler: Scheduler) -> None:
        async with client(scheduler, uid, address) as http:
            found = {
                (method, path): (await http.request(method, path, json=body)).status_code
                for method, path, body in (
                    ("GET", "/admin/status", None),
                    ("GET", "/admin/audit", None),
                    ("GET", "/admin/sessions", None),
                    ("POST", "/admin/devices/EMU/drain", {}),
                    ("POST", "/admin/devices/EMU/resume", {}),
                    ("POST", "/admin/devices/EMU/maintenance/begin", {}),
                    ("POST", "/admin/devices/EMU/maintenance/end", {}),
                    ("PUT", "/admin/authorized-users", {"users": [1000]}),
                    ("POST", "/admin/authorized-users/reset", {}),
                    ("PUT", "/admin/default-job-class", {"job_class": "test"}),
                )
            }
        assert set(found.values()) == {status}
        acts = await scheduler.administration.audit_entries(limit=100)
        assert len(acts) == (7 if status == 200 else 0)

    run(
        tmp_path,
        work,
        admin_users=[0, 500],
        session_hosts=["10.1.0.0/16"],
        admin_hosts=["10.2.0.1"],
    )


REFUSED: tuple[tuple[str, str, Any, int, str], ...] = (
    ("POST", "/admin/devices/NOWHERE/drain", {}, 404, "there is no device 'NOWHERE'; there is EMU"),
    ("POST", "/admin/devices/EMU/maintenance/end", {}, 409, "no maintenance of EMU is open"),
    ("POST", "/admin/devices/EMU/calibration/end", {"result": "success"}, 409, "no calibration of EMU"),
    ("POST", "/admin/devices/EMU/calibration/end", {"result": "fine"}, 422, "result: "),
    ("POST", "/admin/devices/EMU/calibration/begin", {"procedure": "a b"}, 422, "procedure: "),
    ("POST", "/admin/devices/EMU/drain", {"until": "2001-01-01T00:00:00Z"}, 422, "lies in the past"),
    ("POST", "/admin/devices/EMU/drain", {"until": "2101-01-01T00:00:00"}, 422, "until: "),
    ("POST", "/admin/devices/EMU/drain", {"mesage": "x"}, 422, "mesage: "),
    ("POST", "/admin/jobs/77/cancel", {}, 404, "there is no job 77"),
    ("POST", "/admin/sessions/77/revoke", {}, 404, "there is no open session 77"),
    ("PUT", "/admin/authorized-users", {"users": [-1]}, 422, "users.0: "),
    ("PUT", "/admin/default-job-class", {"job_class": "gold"}, 422, "job_class: "),
    ("POST", "/admin/authorized-users/add", {"users": [7]}, 409, "all users are authorised"),
    ("GET", "/admin/audit?since=yesterday", None, 422, "since: "),
)


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    async def work(scheduler: Scheduler) -> None:
        async with client(scheduler, 0) as http:
            for method, path, body, status, line in REFUSED:
                reply = await http.request(method, path, json=body)
                assert reply.status_code == status, reply.text
                assert line in reply.json()["detail"]
                assert "\n" not in reply.json()["detail"]
        assert await scheduler.administration.audit_entries(limit=10) == []

    run(tmp_path, work)


def test_the_class_of_jobs_that_name_none_is_set_and_reset(tmp_path: Path, sequence_text: str) -> None:
    async def work(scheduler: Scheduler) -> None:
        device, uid = scheduler.default_device, os.getuid()
        token = await scheduler.create_session(device, uid, None, uid)
        found = []
        for change in (
            scheduler.administration.set_default_job_class(ROOT, "test"),
            scheduler.administration.reset(ROOT, "default_job_class"),
        ):
            await change
            job = await scheduler.submit(device, token, uid, sequence_text, 5)
            found.append(job.job_class)
            await scheduler.cancel(job.id, uid)
        assert found == ["test", "production"]

    run(tmp_path, work)


def test_a_drain_through_post_accessible_is_the_same_drain(tmp_path: Path) -> None:
    async def work(scheduler: Scheduler) -> None:
        closed = {"is_accessible": False, "message": "closed for today"}
        async with client(scheduler, 0) as http:
            assert closed.items() <= (await http.post("/accessible", json=closed)).json().items()
            (device,) = (await http.get("/admin/status")).json()["devices"]
            assert [item["kind"] for item in device["windows"]] == ["drain"]
            await http.post("/admin/devices/EMU/maintenance/begin", json={})
            opened = (await http.post("/accessible", json={"is_accessible": True})).json()
            assert (opened["is_accessible"], opened["message"]) == (False, "EMU is in maintenance")
            await http.post("/admin/devices/EMU/maintenance/end", json={})
            assert (await http.get("/accessible")).json()["is_accessible"]
            entries = (await http.get("/admin/audit", params={"device": "EMU"})).json()["entries"]
            assert (await http.get("/admin/audit", params={"device": "EM"})).json()["entries"] == []
        assert [entry["action"] for entry in reversed(entries)] == [
            "drain.begin",
            "maintenance.begin",
            "drain.end",
            "maintenance.end",
        ]
        assert json.loads(json.dumps(entries[-1]["details"])) == {
            "allow_qa": False,
            "message": "closed for today",
        }

    run(tmp_path, work)
