"""``qwatch admin correct``, ``corrections`` and ``person``, and ``qwatch ledger export``, with a daemon."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from typer.testing import CliRunner

from qwatch.cli.failure import CommandFailedError
from qwatch.cli.main import application
from qwatch.scheduler import ledger, schema
from qwatch.scheduler.errors import ConfigurationError, NotFoundError
from qwatch.scheduler.ledger import LedgerJob

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def daemon(
    run_daemon: Any,
    run_device: Any,
    device_at: Any,
    sequence_text: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A daemon in which this user has a job that is done, on the account ``chemistry``."""
    accounts = tmp_path_factory.mktemp("accounts") / "accounts"
    accounts.write_text(f"{os.getuid()} chemistry\n")
    with (
        run_device() as qpu,
        run_daemon(devices=[device_at(qpu.url)], api={"accounts_file": str(accounts)}) as daemon,
    ):
        token = daemon.acquire()
        daemon.finished(daemon.submit(token, sequence_text, 10))
        daemon.ok("DELETE", f"/sessions/{token}")
        yield daemon


@pytest.fixture
def run(daemon: Any) -> Run:
    """Run words of ``qwatch admin`` on the daemon's socket, in this process."""
    socket = str(daemon.directory / "admin.sock")

    def run(*words: str) -> Any:
        done = CliRunner().invoke(application, ["admin", "--socket", socket, *words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout) if "--json" in words else done.output

    return run


def export(daemon: Any, *words: str, store: str | None = None) -> Any:
    where = store or f"sqlite:///{daemon.directory / 'qwatch.db'}"
    done = CliRunner().invoke(application, ["ledger", "export", "--store", where, *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def exported(daemon: Any, *words: str) -> list[dict[str, Any]]:
    done = export(daemon, "--format", "jsonl", "--out", "-", *words)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_correction_is_a_row_with_a_reason_an_entry_in_the_audit_log_and_never_an_edit(
    run: Run, daemon: Any
) -> None:
    line = run("correct", "--job", "1", "--busy-seconds", "-1.5", "--reason", "device fault")
    assert line.startswith("correction 1: chemistry -1.5 s for job 1, applies at ")
    assert line.endswith(": device fault\n")
    words = ("--cost", "-3.50", "--applies-at", "2h", "--reason", "goodwill", "--json")
    second = run("correct", "--account", "chemistry", *words)
    assert (second["id"], second["cost"], second["job"], second["device"]) == (2, -3.5, None, None)
    assert [item["id"] for item in run("corrections", "--account", "chemistry", "--json")["corrections"]] == [
        2,
        1,
    ]
    assert run("corrections", "--account", "biology") == "nothing was corrected\n"
    act = run("audit", "--limit", "1", "--json")["entries"][0]
    assert (act["action"], act["target"], act["reason"]) == ("ledger.correct", "site", "goodwill")
    assert act["details"]["cost"] == -3.5
    assert {item["busy_seconds"] for item in exported(daemon, "--what", "corrections")} == {0, -1.5}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--account", "chemistri", "--cost", "1"), "no account 'chemistri'; did you mean chemistry?"),
        (("--account", "zzz", "--cost", "1"), "no account 'zzz'; there is chemistry"),
        (("--job", "1", "--account", "biology", "--cost", "1"), "job 1 is booked on chemistry, not on biology"),
        (("--job", "99", "--cost", "1"), "the ledger has no job 99"),
        (("--account", "chemistry", "--cost", "1", "--applies-at", "2101-01-01"), "lies in the future"),
    ],
)
def test_a_correction_that_cannot_be_is_refused_in_one_line(
    run: Run, words: tuple[str, ...], line: str
) -> None:
    with pytest.raises(CommandFailedError) as refused:
        run("correct", *words, "--reason", "test")
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("correct", "--account", "a", "--cost", "1"), "a correction needs one"),
        (("correct", "--account", "a", "--cost", "nan", "--reason", "r"), "finite numbers"),
        (("correct", "--account", "a", "--reason", "r"), "both are 0"),
        (("correct", "--cost", "1", "--reason", "r"), "give --account, or --job"),
        (("person", "erase", "ada"), "--reason"),
        (("person", "export", "ada"), "--out"),
    ],
)
def test_a_mistake_in_the_words_is_a_usage_error(words: tuple[str, ...], line: str) -> None:
    done = CliRunner().invoke(application, ["admin", *words])
    assert done.exit_code == 2
    assert line in done.output


def test_the_ledger_is_exported_beside_the_running_daemon(daemon: Any, tmp_path: Path) -> None:
    out = tmp_path / "jobs.csv"
    done = export(daemon, "--out", str(out), "--device", "EMU")
    assert f"1 rows of jobs in {out}" in done.output
    assert out.read_text().splitlines()[0].startswith("source,job,session,")
    assert out.stat().st_mode & 0o777 == 0o600
    with pytest.raises(NotFoundError, match="no device 'ORION' in the store; there is EMU"):
        export(daemon, "--out", str(out), "--device", "ORION")
    assert out.read_text().count("\n") == 2, "what was there is still there"
    assert [file.name for file in tmp_path.iterdir()] == ["jobs.csv"]
    with pytest.raises(ConfigurationError, match="No such file"):
        export(daemon, "--out", str(out), store=f"sqlite:///{tmp_path}/nowhere.db")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--out", "f", "--store", "s", "--what", "users"), "is not jobs, activity"),
        (("--out", "f", "--store", "s", "--format", "xls"), "is not csv or jsonl"),
        (("--out", "f", "--store", "s", "--from", "1d", "--to", "2d"), "lies before --from"),
        (("--out", "f"), "give --config"),
    ],
)
def test_an_export_that_is_asked_for_wrongly_is_a_usage_error(words: tuple[str, ...], line: str) -> None:
    done = CliRunner().invoke(application, ["ledger", "export", *words])
    assert done.exit_code == 2
    assert line in done.output


def test_in_a_store_without_api_a_person_is_exported_and_erased_by_its_configuration(tmp_path: Path) -> None:
    config = tmp_path / "observer.yaml"
    config.write_text(json.dumps({"store": {"url": f"sqlite:///{tmp_path / 'observer.db'}"}}))

    def run(*words: str) -> Any:
        return CliRunner().invoke(application, ["admin", "person", *words, "--config", str(config)])

    missing = run("erase", "adalovelace", "--reason", "asked")
    assert isinstance(missing.exception, ConfigurationError)
    engine = create_engine(f"sqlite:///{tmp_path / 'observer.db'}")
    schema.upgrade(engine)
    job = LedgerJob(
        source="warden",
        job="17",
        session="s-1",
        qpu_id="FRESNEL",
        resource_type="pasqal-local",
        job_class="production",
        user_name="adalovelace",
        account="chem",
        created_at=100.0,
        ended_at=130.0,
        state="DONE",
        reason="none",
    )
    with engine.begin() as connection:
        ledger.append_jobs(connection, [job])
    engine.dispose()
    found = [json.loads(line) for line in run("export", "adalovelace", "--out", "-").stdout.splitlines()]
    assert [(item["table"], item["row"]["job"]) for item in found if item["table"] == "ledger_jobs"] == [
        ("ledger_jobs", "17")
    ]
    erased = json.loads(run("erase", "adalovelace", "--reason", "asked", "--json").stdout)
    assert erased["rows"]["ledger_jobs"] == 1
    assert not [file for file in tmp_path.iterdir() if b"adalovelace" in file.read_bytes()]


def test_a_person_is_exported_and_erased_and_no_file_of_the_store_has_the_account(
    run: Run, daemon: Any, tmp_path: Path, sequence_text: str
) -> None:
    """Last in this file: it erases."""
    me = pwd.getpwuid(os.getuid()).pw_name
    out = tmp_path / "me.jsonl"
    run("person", "export", me, "--out", str(out))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {"sessions", "jobs", "job_payloads", "job_results", "slices", "ledger_jobs"} <= {
        row["table"] for row in rows
    }
    with pytest.raises(CommandFailedError, match=r"nothing is stored about nobody-of-that-name \(HTTP 404"):
        run("person", "export", "nobody-of-that-name", "--out", str(out))
    token = daemon.acquire()
    with pytest.raises(CommandFailedError, match=rf"{me} has open session \d+; revoke or cancel"):
        run("person", "erase", me, "--reason", "asked")
    daemon.ok("DELETE", f"/sessions/{token}")
    assert "erased, now erased:" in run("person", "erase", me, "--reason", "asked")
    again = run("person", "erase", "nobody-of-that-name", "--reason", "asked")
    assert "nothing of this person is stored" in again
    jobs = exported(daemon)
    assert [(job["account"], job["uid"], job["user"][:7]) for job in jobs] == [("chemistry", None, "erased:")]
    act = next(item for item in run("audit", "--json")["entries"] if item["action"] == "person.erase")
    assert (act["reason"], set(act["details"])) == ("asked", {"pseudonym"})
    assert me not in json.dumps(act["details"])
