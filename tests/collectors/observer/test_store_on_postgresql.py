"""A store on PostgreSQL is checked and taken to other revisions, while nobody else is connected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine

from qwatch.scheduler import schema, store_check
from qwatch.scheduler.errors import ConflictError
from qwatch.scheduler.store_alone import alone


def test_it_goes_up_and_down_and_is_refused_while_a_daemon_is_connected(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    with alone(url) as engine:
        assert schema.upgrade(engine) == schema.head()
        assert "table ledger_jobs, with 0 rows" in map(str, schema.losses(engine, "0001"))
        schema.downgrade(engine, "0001")
        assert store_check.check_server(engine).revision == "0001"
        assert schema.upgrade(engine) == schema.head()
        found = store_check.check_server(engine)
    assert (found.revision, found.jobs, found.unfinished, found.good) == (schema.head(), 0, 0, True)
    other = create_engine(url)
    with other.connect(), pytest.raises(ConflictError, match="is in use by 1 connections"), alone(url):
        pass
    other.dispose()


def test_a_daemon_runs_a_job_on_it(
    new_database: Callable[[], str], run_daemon: Any, run_device: Any, device_at: Any, sequence_text: str
) -> None:
    url = new_database()
    with (
        run_device() as qpu,
        run_daemon(devices=[device_at(qpu.url)], store={"url": url}, api={"admin_socket": None}) as daemon,
    ):
        number = daemon.submit(daemon.acquire(), sequence_text, 20)
        assert daemon.finished(number)["status"] == "DONE"
        with pytest.raises(ConflictError, match="stop the daemons"), alone(url):
            pass
        daemon.stop()
    with alone(url) as engine:
        assert store_check.check_server(engine).jobs == 1
