"""A campaign of kill -9 against a real daemon under load; prints its figures.

``QWATCH_TEST_ROUNDS`` is the number of kills, ``QWATCH_TEST_SEED`` repeats a campaign.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from typing import Any

import httpx
import pytest

ROUNDS = int(os.environ.get("QWATCH_TEST_ROUNDS", "30"))
SEED = int(os.environ.get("QWATCH_TEST_SEED", "1"))
CLIENTS = 4


class Load:
    """Clients that submit as fast as they are answered, and remember what was acknowledged."""

    def __init__(self, daemon: Any, token: str, sequence: str) -> None:
        self.acknowledged: dict[int, int] = {}
        self._daemon = daemon
        self._token = token
        self._sequence = sequence
        self._shots = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._stopped.clear()
        self._threads = [threading.Thread(target=self._submit) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)

    def _submit(self) -> None:
        while not self._stopped.is_set():
            with self._lock:
                self._shots += 1
                shots = self._shots
            order = self._daemon.submission(self._token, self._sequence, shots % 2000 + 1)
            try:
                reply = self._daemon.client.post("/jobs", **order)
            except httpx.HTTPError:
                return
            if reply.is_success:
                self.acknowledged[int(reply.json()["id"])] = shots % 2000 + 1
            self._stopped.wait(0.02)


@pytest.mark.long
@pytest.mark.timeout(60 + ROUNDS * 60)
@pytest.mark.parametrize("forgetful", [False, True], ids=["daemon", "daemon and QPU"])
def test_no_acknowledged_job_is_lost_and_none_runs_twice_unmarked(
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    sequence_text: str,
    wait_until: Any,
    capsys: pytest.CaptureFixture[str],
    forgetful: bool,
) -> None:
    chance = random.Random(SEED)
    recoveries: list[float] = []
    restarts = 0
    with run_device(shot_rate=1e5) as qpu, run_daemon(devices=[device_at(qpu.url)]) as daemon:
        load = Load(daemon, daemon.acquire(), sequence_text)
        for _ in range(ROUNDS):
            load.start()
            threading.Event().wait(chance.uniform(0.05, 1.0))
            daemon.kill()
            load.stop()
            if forgetful and chance.random() < 0.3:
                qpu.forget()
                restarts += 1
            begun = time.monotonic()
            daemon.start()
            recoveries.append(time.monotonic() - begun)
        wait_until(lambda: not daemon.ok("GET", "/status")["pending"], "the queue never emptied", 600)
        jobs = [daemon.finished(number) for number in load.acknowledged]
        # Executions of the device are told apart by the slice's own id, which it was given as context.
        ran = Counter(execution["context"]["pasqman_job_id"] for execution in qpu.executions)
    doubled = {job["id"] for job in jobs if job["possible_double"]}
    twice = {int(number) for number, count in ran.items() if count > 1}
    with capsys.disabled():
        print(
            f"\n{ROUNDS} kills (seed {SEED}), {restarts} restarts of the QPU: {len(jobs)} jobs acknowledged, "
            f"{len(qpu.executions)} executions, {len(twice & set(load.acknowledged))} ran twice, "
            f"{len(doubled)} marked possible_double; ready again after {sum(recoveries) / ROUNDS:.2f} s "
            f"on average, {max(recoveries):.2f} s at most"
        )
    assert {job["status"] for job in jobs} == {"DONE"}
    assert [job["shots"] for job in jobs] == [load.acknowledged[job["id"]] for job in jobs]
    assert twice & set(load.acknowledged) <= doubled
    if not forgetful:
        assert len(doubled) <= 1, "only the very first job on a device can be beyond finding"
