"""The role of an observer: each mistake in its configuration is one line, and other roles are not pretended."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from qwatch.collectors.observer.observer import Observer
from qwatch.collectors.observer.settings import ObservedDeviceSettings, ObserverSettings
from qwatch.daemon.configuration import configuration_from
from qwatch.scheduler.errors import ConfigurationError
from qwatch.scheduler.settings import StoreSettings
from qwatch.telemetry.instruments import Instruments

PEER = "peer_api: {url: 'http://warden:8006'}"


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        configuration_from(yaml.safe_load(f"observer: {{devices: [{text}]}}"), "qwatch.yaml")
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("device", "key", "told"),
    [
        ("{name: A}", "observer.devices.0", "name at least one source"),
        ("{peer_api: {url: 'http://w'}}", "observer.devices.0.name", "required"),
        ("{name: A, colour: red}", "observer.devices.0.colour", "unknown key"),
        ("{name: A, peer_api: {url: warden}}", "observer.devices.0.peer_api.url", "http://"),
        ("{name: A, peer_api: {url: 'http://w', auth: token}}", "observer.devices.0.peer_api", "token_file"),
        (
            "{name: A, peer_api: {url: 'http://w', read: [jobs]}}",
            "observer.devices.0.peer_api.read.0",
            "status",
        ),
        ("{name: A, peer_api: {url: 'http://w', read: []}}", "observer.devices.0.peer_api", "at least one"),
        (
            "{name: A, peer_database: {url: 'mysql://w/x'}}",
            "observer.devices.0.peer_database.url",
            "mysql is not",
        ),
        ("{name: A, peer_database: {url: 'sqlite://'}}", "observer.devices.0.peer_database.url", "name a file"),
        (
            "{name: A, peer_database: {url: 'postgresql://u:secret1@h/d'}}",
            "observer.devices.0.peer_database.url",
            "password_file",
        ),
        ("{name: A, peer_database: {url: '::'}}", "observer.devices.0.peer_database.url", "must be such as"),
        ("{name: A, qrmi: {resource_type: abacus}}", "observer.devices.0.qrmi.resource_type", "'abacus'"),
        ("{name: A, qpu_api: {url: 'http://q', interval: 0}}", "observer.devices.0.qpu_api.interval", "0.1"),
        (f"{{name: A, {PEER}, ledger_source: qwatch}}", "observer.devices.0", "jobs of qwatch's own"),
        (f"{{name: A, {PEER}}}, {{name: A, {PEER}}}", "observer.devices", "two are named A"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(device: str, key: str, told: str) -> None:
    line = refusal(device)
    assert line.startswith(f"qwatch.yaml: {key}: ")
    assert told in line
    assert "secret1" not in line


def test_the_documented_section_is_one_and_names_every_key_with_its_default() -> None:
    document = Path(__file__).parents[2] / "docs" / "configuration.md"
    [example] = re.findall(r"```yml\n(observer:.*?)```", document.read_text(), re.DOTALL)
    data = yaml.safe_load(example)
    [device] = configuration_from(data, "docs/configuration.md").observer.devices
    [written] = data["observer"]["devices"]
    assert set(written) == set(ObservedDeviceSettings.model_fields)
    for key, value in written.items():
        field = getattr(device, key)
        if not isinstance(field, BaseModel):
            assert key == "name" or field == ObservedDeviceSettings.model_fields[key].default
            continue
        assert set(value) == set(type(field).model_fields)
        for name in set(value) - {"url"}:
            found = type(field).model_fields[name].get_default(call_default_factory=True)
            assert getattr(field, name) == found, f"{key}.{name} is not its default"


def serve(tmp_path: Path, role: str) -> tuple[int, str]:
    file = tmp_path / "qwatch.yaml"
    file.write_text("metrics: {port: 0}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "qwatch.cli.main", "serve", "--config", str(file), "--role", role],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(("role", "told"), [("dispatcher", "is not built yet"), ("watcher", "is not a role")])
def test_a_role_that_there_is_not_is_refused(tmp_path: Path, role: str, told: str) -> None:
    code, line = serve(tmp_path, role)
    assert code == 2
    assert told in line
    assert "observer" in line


def test_an_observer_of_nothing_does_not_start(tmp_path: Path) -> None:
    code, text = serve(tmp_path, "observer")
    assert code == 1
    [line] = text.splitlines()
    assert "observer.devices: name at least one" in line


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"peer_api": {"url": "http://w", "auth": "token", "token_file": "gone"}}, "token_file gone: "),
        ({"peer_database": {"url": "postgresql://u@h/d", "password_file": "gone"}}, "password_file gone: "),
        (
            {
                "qpu_api": {
                    "url": "http://q",
                    "auth": {"url": "http://k", "realm": "r", "id": "i", "secret_file": "gone"},
                }
            },
            "secret_file gone: ",
        ),
        (
            {"qrmi": {"environment": {"QRMI_WARDEN_URL": "http://w"}, "secret_files": {"QRMI_KEY": "gone"}}},
            "secret_files QRMI_KEY gone: ",
        ),
        ({"qrmi": {"resource_type": "iqm-server"}}, "device A: qrmi: "),
    ],
)
def test_a_source_that_cannot_be_opened_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: dict[str, Any], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = ObserverSettings.model_validate({"devices": [{"name": "A"} | source]})
    store = StoreSettings(url="sqlite:///qwatch.db")

    async def start() -> None:
        observer = Observer(settings, store, None, Instruments(CollectorRegistry()))
        try:
            await observer.start()
        finally:
            await observer.stop()

    with pytest.raises(ConfigurationError, match=told) as raised:
        asyncio.run(start())
    assert "\n" not in str(raised.value)
