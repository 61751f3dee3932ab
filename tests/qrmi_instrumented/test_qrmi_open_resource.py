"""Opening a QPU by name in every execution environment, and the errors where there is none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import qrmi

from qwatch.qrmi import announcement
from qwatch.qrmi.announcement import Announcement
from qwatch.qrmi.in_process import InProcessEmulator
from qwatch.qrmi.local_client import LocalDaemonResource
from qwatch.qrmi.location import locate
from qwatch.qrmi.open_resource import ResourceNotAvailableError, open_resource
from qwatch.qrmi.session import session


@pytest.fixture(autouse=True)
def _no_site_configuration(monkeypatch):
    monkeypatch.setattr("qwatch.qrmi.location.CONFIG_PLACES", (Path("qrmi_config.json"),))


def write_config(*entries, path=Path("qrmi_config.json")):
    path.write_text(json.dumps({"resources": list(entries)}))
    return path


def entry(name, url="http://qan:8006", kind="pasqal-local", **environment):
    return {"name": name, "type": kind, "environment": {"QRMI_WARDEN_URL": url, **environment}}


def announce(north, *devices, auth="local", token_file=None):
    announcement.write(
        Announcement(
            north.url, auth, token_file and str(token_file), devices or ("EMU",), os.getpid(), "/traces"
        )
    )


def bare(resource):
    return resource._resource


def test_the_only_qpu_of_the_job_is_the_real_wheels(job_environment):
    resource = open_resource()
    assert isinstance(bare(resource), qrmi.QuantumResource)
    assert resource.resource_id() == "EMU"
    assert resource.telemetry.handover.address.url == f"{job_environment.url}/devices/EMU"
    assert resource.acquire() in job_environment.sessions


def test_slurms_names_are_read_where_qrmis_are_missing(job_environment, monkeypatch):
    for part in ("RESOURCES", "TYPES"):
        monkeypatch.setenv(f"SLURM_JOB_QPU_{part}", os.environ[f"QRMI_JOB_QPU_{part}"])
        monkeypatch.delenv(f"QRMI_JOB_QPU_{part}")
    assert open_resource().resource_id() == "EMU"


def test_several_qpus_need_a_name(job_environment, monkeypatch):
    monkeypatch.setenv("QRMI_LIST_DELIMITER", ":")
    monkeypatch.setenv("QRMI_JOB_QPU_RESOURCES", "EMU:FRESNEL")
    monkeypatch.setenv("QRMI_JOB_QPU_TYPES", "pasqal-local:pasqal-local")
    with pytest.raises(ResourceNotAvailableError, match=r"several QPUs .*'EMU'.*'FRESNEL'.*QWATCH_QPU"):
        open_resource()
    monkeypatch.setenv("QWATCH_QPU", "EMU")
    assert open_resource().resource_id() == "EMU"
    with pytest.raises(ResourceNotAvailableError, match=r"'FRESNEL' .*cannot be opened.*_QRMI_WARDEN_URL"):
        open_resource("FRESNEL")


def test_names_without_types_are_refused(monkeypatch):
    monkeypatch.setenv("QRMI_JOB_QPU_RESOURCES", "A,B")
    monkeypatch.setenv("QRMI_JOB_QPU_TYPES", "pasqal-local")
    with pytest.raises(ResourceNotAvailableError, match="2 names and QRMI_JOB_QPU_TYPES 1 types"):
        open_resource("A")


def test_unknown_types_are_refused(monkeypatch):
    monkeypatch.setenv("QRMI_JOB_QPU_RESOURCES", "A")
    monkeypatch.setenv("QRMI_JOB_QPU_TYPES", "warp-drive")
    with pytest.raises(ResourceNotAvailableError, match=r"unknown type 'warp-drive': use .*pasqal-local"):
        open_resource()


def test_nothing_anywhere_says_where_was_looked_and_what_to_do():
    with pytest.raises(ResourceNotAvailableError) as caught:
        open_resource()
    message = str(caught.value)
    assert "\n" not in message
    for words in ("QRMI_JOB_QPU_RESOURCES", "qrmi_config.json", "qwatch up", "QWATCH_QPU=emulator"):
        assert words in message


def test_a_wrong_name_lists_the_right_ones(north, token_file):
    write_config(entry("FRESNEL"))
    announce(north, "EMU", token_file=token_file)
    with pytest.raises(ResourceNotAvailableError) as caught:
        open_resource("FRESNELL")
    for words in (
        "'FRESNELL'",
        "'FRESNEL' (qrmi_config.json)",
        f"'EMU' (the daemon at {north.url})",
        "'emulator'",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize("how", ["argument", "variable", "here"])
def test_the_configuration_file(job_environment, tmp_path, monkeypatch, how):
    monkeypatch.delenv("QRMI_JOB_QPU_RESOURCES")
    elsewhere = tmp_path / "elsewhere.json"
    path = write_config(
        entry("LAB", job_environment.url), path=Path("qrmi_config.json") if how == "here" else elsewhere
    )
    if how == "variable":
        monkeypatch.setenv("QWATCH_QRMI_CONFIG", str(path))
    resource = open_resource(config=path if how == "argument" else None)
    assert resource.resource_id() == "LAB"
    with session(resource) as token:
        assert job_environment.sessions == {token: "open"}
    assert json.dumps(job_environment.of("POST", "/sessions")[0].body) == json.dumps(
        {"user_id": str(os.getuid()), "slurm_job_id": "77"}
    )


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"resources": 5}', '{"resources": [{"name": "A"}]}', '{"resources": [[]]}']
)
def test_a_broken_configuration_is_named(text):
    Path("qrmi_config.json").write_text(text)
    with pytest.raises(ResourceNotAvailableError, match=r"qrmi_config.json is not a QRMI configuration"):
        open_resource()


def test_a_missing_configuration_is_named(tmp_path):
    with pytest.raises(ResourceNotAvailableError, match=r"absent.json cannot be read: No such file"):
        open_resource(config=tmp_path / "absent.json")


def test_an_empty_configuration_lists_none():
    with pytest.raises(ResourceNotAvailableError, match="lists none"):
        open_resource(config=write_config())


def test_the_announced_daemon_with_local_authentication(north, token_file, payload, run_task):
    north.auth = "local"
    announce(north, "EMU", token_file=token_file)
    resource = open_resource(sdk="pulser")
    assert isinstance(bare(resource), LocalDaemonResource)
    with session(resource):
        assert run_task(resource, payload) == '{"counter": {"01": 100}}'
    assert all(request.path.startswith("/devices/EMU/") for request in north.requests)
    assert locate().trace_directory == "/traces"


def test_the_announced_daemon_with_munge_is_the_real_wheels(north, munged, payload, run_task):
    north.auth = "munge"
    announce(north, "A", "B", auth="munge")
    resource = open_resource("B")
    assert isinstance(bare(resource), qrmi.QuantumResource)
    with session(resource):
        assert run_task(resource, payload) == '{"counter": {"01": 100}}'
    assert {request.path.split("/")[2] for request in north.requests} == {"B"}


def test_the_token_of_a_run_is_for_this_host_only(job_environment, token_file, monkeypatch):
    monkeypatch.setenv("QWATCH_TOKEN_FILE", str(token_file))
    assert isinstance(bare(open_resource()), LocalDaemonResource)
    for url in ("http://qan.example:8006", "http://10.0.0.1:8006", "http://127.0.0.1.example:8006"):
        monkeypatch.setenv("EMU_QRMI_WARDEN_URL", url)
        assert isinstance(bare(open_resource()), qrmi.QuantumResource)


def test_a_token_that_others_may_read_is_one_clear_error(job_environment, token_file, monkeypatch):
    token_file.chmod(0o644)
    monkeypatch.setenv("QWATCH_TOKEN_FILE", str(token_file))
    with pytest.raises(ResourceNotAvailableError, match=r"'EMU'.*mode 0644.*chmod 600"):
        open_resource()


def test_the_emulator_in_the_process_needs_nothing(monkeypatch):
    assert isinstance(bare(open_resource("emulator")), InProcessEmulator)
    monkeypatch.setenv("QWATCH_QPU", "emulator")
    assert isinstance(bare(open_resource()), InProcessEmulator)


def test_a_resource_of_type_emulator_is_one_in_the_process():
    write_config({"name": "LAPTOP", "type": "emulator"})
    resource = open_resource("LAPTOP")
    assert isinstance(bare(resource), InProcessEmulator)
    assert resource.resource_id() == "LAPTOP"


def test_a_session_lands_where_the_wheel_looks_and_is_gone_afterwards(job_environment):
    resource = open_resource()

    def fail_within():
        with session(resource) as token:
            assert os.environ["EMU_QRMI_JOB_ACQUISITION_TOKEN"] == token
            assert job_environment.sessions == {token: "open"}
            raise KeyError

    with pytest.raises(KeyError):
        fail_within()
    assert "EMU_QRMI_JOB_ACQUISITION_TOKEN" not in os.environ
    assert list(job_environment.sessions.values()) == ["released"]


def test_a_session_of_the_job_is_left_to_it(job_environment, monkeypatch):
    monkeypatch.setenv("EMU_QRMI_JOB_ACQUISITION_TOKEN", "of-the-job")
    with session(open_resource()) as token:
        assert token == "of-the-job"
    assert os.environ["EMU_QRMI_JOB_ACQUISITION_TOKEN"] == "of-the-job"
    assert job_environment.requests == []


def test_a_session_that_cannot_be_released_does_not_cost_the_results(job_environment, caplog):
    job_environment.refusals["DELETE", "/sessions"] = (503, "{}")
    with session(open_resource()) as token:
        pass
    assert "could not be released" in caplog.text
    assert token not in caplog.text
