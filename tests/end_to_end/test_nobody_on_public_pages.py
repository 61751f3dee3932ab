"""Nobody's name on a public page: what is answered without a credential tells of devices and queues alone."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import Any

import httpx

ACCOUNT = "prj-quantum-chemistry-7"
SLURM_JOB = "8150042"
ADMINISTRATORS_NOTE = "ask Grace for the key"


def routes(daemon: Any) -> set[str]:
    """Return every path that the daemon answers a GET on, as far as it tells them, and the documents."""
    described = daemon.client.get("/openapi.json").json()["paths"]
    found = {path for path, verbs in described.items() if "get" in verbs}
    return found | {
        "/",
        "/docs",
        "/openapi.json",
        "/accessible",
        "/devices/EMU/accessible",
        "/status",
        "/events",
    }


def public(daemon: Any, path: str) -> str | None:
    """Return what anybody is answered, of a stream its begin; None if a credential is asked for."""
    filled = re.sub(r"\{device[^}]*\}", "EMU", path)
    filled = re.sub(r"\{[^}]+\}", "1", filled)
    found = ""
    for kind in ("application/json", "text/html", "text/event-stream"):
        with httpx.stream("GET", f"{daemon.url}{filled}", headers={"accept": kind}, timeout=5) as reply:
            if reply.status_code >= 400:
                continue
            try:
                for chunk in reply.iter_text():
                    found += chunk
                    if len(found) > 200_000:
                        break
            except httpx.ReadTimeout:
                pass  # a stream that has no more to say
    return found or None


def test_what_anybody_may_ask_names_nobody(
    run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str, tmp_path: Path
) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text(f"{os.getuid()} {ACCOUNT}\n")
    with (
        run_device(shot_rate=500) as qpu,
        run_daemon(devices=[device_at(qpu.url)], api={"accounts_file": str(accounts)}) as daemon,
    ):
        token = daemon.acquire(slurm_job=SLURM_JOB)
        daemon.finished(daemon.submit(token, sequence_text, 10))
        running = daemon.submit(token, sequence_text, 1900)
        daemon.submit(token, sequence_text, 11)
        daemon.until(running, "RUNNING")
        daemon.ok("POST", "/admin/devices/EMU/drain", json={"message": "closed", "note": ADMINISTRATORS_NOTE})
        answered = {path: text for path in routes(daemon) if (text := public(daemon, path)) is not None}
        answered["/metrics"] = daemon.metrics_text()
    assert {"/", "/accessible", "/metrics"} <= answered.keys()
    assert "closed" in answered["/accessible"]
    assert not {"/jobs", "/jobs/{job_id}", "/admin/status", "/admin/audit"} & answered.keys()
    name = pwd.getpwuid(os.getuid()).pw_name
    # The word root is in every style sheet.
    private = [ACCOUNT, SLURM_JOB, ADMINISTRATORS_NOTE, token, *([] if name == "root" else [name])]
    for path, text in answered.items():
        told = text.replace(str(daemon.directory), "")
        assert [word for word in private if re.search(rf"\b{re.escape(word)}\b", told)] == [], path
