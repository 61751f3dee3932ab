"""Busy time by account at a real daemon: a job's time arrives, and a restart loses none of it."""

from __future__ import annotations

import getpass
from typing import Any

NAME = "qpu_account_busy_seconds_total"


def test_a_job_s_busy_time_is_its_account_s_and_stays_after_a_restart(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, wait_until: Any
) -> None:
    # Without a file of accounts a job's account is its user's name.
    account = getpass.getuser()
    with (
        run_device(shot_rate=1000) as qpu,
        run_daemon(devices=[device_at(qpu.url)], metrics={"accounts": [account, "nobody"]}) as daemon,
    ):
        assert daemon.metric(NAME, account=account) == 0
        job = daemon.finished(daemon.submit(daemon.acquire(), sequence_text, 400))
        assert job["status"] == "DONE"
        told = wait_until(
            lambda: (found := daemon.metric(NAME, qpu_id="EMU", account=account)) >= 0.39 and found,
            "the job's busy time is not told",
        )
        daemon.stop()
        daemon.start()
        assert daemon.metric(NAME, account=account) >= told
        assert daemon.metric(NAME, account="nobody") == 0
        assert daemon.metric(NAME, account="other") == 0
