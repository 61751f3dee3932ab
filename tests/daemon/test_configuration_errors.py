"""Each mistake in the configuration is one line that names the key; the environment wins over the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from qwatch.daemon.configuration import Configuration, load_configuration
from qwatch.scheduler.errors import ConfigurationError
from qwatch.scheduler.scheduler import Scheduler
from qwatch.telemetry.instruments import Instruments

GOOD = """
api: {port: 9006, auth: local, token_file: /tmp/token}
store: {url: "sqlite:///x.db"}
devices:
  - {name: EMU, url: "http://127.0.0.1:8005", simulator: true}
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("QWATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def load(tmp_path: Path, text: str) -> Configuration:
    file = tmp_path / "qwatch.yaml"
    file.write_text(text, encoding="utf-8")
    return load_configuration(file)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_good_file_is_read_with_the_documented_defaults(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    assert (found.api.port, found.api.host, found.api.admin_users) == (9006, "127.0.0.1", [0])
    assert found.metrics.port == 8007
    assert found.devices[0].adapter == "qpu-http"
    assert load(tmp_path, "").api.port == 8006
    assert load(tmp_path, "").api.auth == "munge"


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("api: {prot: 1}", "api.prot", "unknown key"),
        ("apl: {}", "apl", "unknown key"),
        ("devices: [{name: EMU, url: 'http://x', colour: red}]", "devices.0.colour", "unknown key"),
        ("api: {port: eight}", "api.port", "integer"),
        ("api: {port: 70000}", "api.port", "65535"),
        ("api: {port: -1}", "api.port", "0"),
        ("api: {auth: trust}", "api.auth", "'munge' or 'local'"),
        ("api: 5", "api", ""),
        ("api: []", "api", ""),
        ("api: {authorized_users: root}", "api.authorized_users", "list"),
        ("api: {admin_users: [root]}", "api.admin_users.0", "integer"),
        ("api: {admin_hosts: [not-an-address]}", "api.admin_hosts", "'not-an-address'"),
        ("api: {session_hosts: [10.0.0.0/33]}", "api.session_hosts", "10.0.0.0/33"),
        ("api: {default_job_class: vip}", "api.default_job_class", "production"),
        ("api: {max_shots: 0}", "api.max_shots", "1"),
        ("devices: {name: EMU}", "devices", "list"),
        ("devices: [{name: EMU}]", "devices.0", "needs 'url'"),
        ("devices: [{url: 'http://x'}]", "devices.0.name", "required"),
        ("devices: [{name: EMU, url: 'ftp://x'}]", "devices.0.url", "http://"),
        ("devices: [{name: EMU, url: '127.0.0.1:8005'}]", "devices.0.url", "http://"),
        ("devices: [{name: 'a/b', url: 'http://x'}]", "devices.0.name", "letters"),
        ("devices: [{name: EMU, url: 'http://x', adapter: magic}]", "devices.0.adapter", "qpu-http"),
        ("devices: [{name: EMU, url: 'http://x', status_interval: 0}]", "devices.0.status_interval", "0"),
        ("devices: [{name: EMU, url: 'http://x', shot_rate: fast}]", "devices.0.shot_rate", "number"),
        ("devices: [{name: EMU, url: 'http://x', timezone: Mars/Base}]", "devices.0.timezone", "Mars/Base"),
        (
            "devices: [{name: EMU, url: 'http://x', min_poll_interval: 2, max_poll_interval: 1}]",
            "devices.0",
            "min_poll_interval",
        ),
        ("scheduler: {policy: chaos}", "scheduler.policy", "fifo"),
        ("metrics: {port: x}", "metrics.port", "integer"),
        ("metrics: {most_series: 1}", "metrics.most_series", "10"),
        (f"metrics: {{accounts: {list(map(str, range(101)))}}}", "metrics.accounts", "100"),
        ("slurm: {interval: 0.1}", "slurm.interval", "1"),
        ("slurm: {interval: 60, stale_after: 30}", "slurm", "stale_after is shorter than interval"),
        ("slurm: {commands: bin}", "slurm.commands", "absolute path"),
        ("external: [{name: room}]", "external.0", "give 'command' or 'file'"),
        ("external: [{name: room, command: [tell]}]", "external.0", "tell must be an absolute path"),
        ("telemetry: {otlp_endpoint: 'tempo:4318'}", "telemetry.otlp_endpoint", "http://"),
        ("telemetry: {log_level: loud}", "telemetry.log_level", "debug"),
        ("- a\n- b", "", "mapping"),
        ("a: [", "", "is not YAML"),
        ("\x00", "", "is not YAML"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path: Path, text: str, key: str, told: str) -> None:
    line = refusal(tmp_path, text)
    assert "qwatch.yaml" in line
    assert f" {key}" in line
    assert told in line


def test_each_of_several_mistakes_has_a_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, "api: {port: x, prot: 1}\nstore: {path: y}")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all("qwatch.yaml:" in line for line in lines)


@pytest.mark.parametrize("make", ["missing", "folder", "binary"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, make: str) -> None:
    file = tmp_path / "qwatch.yaml"
    if make == "folder":
        file.mkdir()
    elif make == "binary":
        file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWATCH_API__PORT", "9999")
    monkeypatch.setenv("QWATCH_API__AUTHORIZED_USERS", "[1, 2]")
    monkeypatch.setenv("QWATCH_STORE__URL", "sqlite:///other.db")
    monkeypatch.setenv("QWATCH_TELEMETRY__LOG_FORMAT", "text")
    found = load(tmp_path, GOOD)
    assert (found.api.port, found.api.authorized_users) == (9999, [1, 2])
    assert found.api.auth == "local", "what the environment does not name is the file's"
    assert found.store.url == "sqlite:///other.db"
    assert found.telemetry.log_format == "text"


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("QWATCH_API__PORT", "eight", "api.port"),
        ("QWATCH_API__PROT", "1", "api.prot"),
        ("QWATCH_DEVICES", "not json", "devices"),
        ("QWATCH_API__AUTHORIZED_USERS", "root", "authorized_users"),
    ],
)
def test_a_mistake_in_the_environment_names_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, key: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert key in refusal(tmp_path, GOOD)


def test_variables_of_programs_do_not_disturb_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QWATCH_QPU", "QWATCH_TOKEN_FILE", "QWATCH_TRACE_DIRECTORY", "QWATCH_REVISION"):
        monkeypatch.setenv(name, "x")
    assert load(tmp_path, GOOD).api.port == 9006


DEVICE = "{name: EMU, url: 'http://x', simulator: true}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("devices: []", "name at least one"),
        (f"devices: [{DEVICE}, {DEVICE}]", "same name"),
        (
            "devices: [{name: A, url: 'http://x', default: true}, {name: B, url: 'http://y', default: true}]",
            "A and B cannot all be the default",
        ),
        (f"devices: [{DEVICE}]\nstore: {{url: nonsense}}", "store.url"),
        (f"devices: [{DEVICE}]\nstore: {{url: 'sqlite://'}}", "not durable"),
        (f"devices: [{DEVICE}]\napi: {{accounts_file: /nonexistent}}", "/nonexistent"),
        (
            "devices: [{name: EMU, adapter: qrmi, resource_type: ibm-quantum-system}]",
            "ibm-quantum-system",
        ),
        (
            "devices: [{name: EMU, url: 'http://x', auth: {url: 'http://k', realm: r, id: i, "
            "secret_file: /nonexistent}}]",
            "devices.auth.secret_file /nonexistent",
        ),
    ],
)
def test_what_only_shows_when_the_parts_are_joined_is_one_line_too(
    tmp_path: Path, text: str, told: str
) -> None:
    found = load(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        Scheduler(found.api, found.store, found.devices, found.scheduler, Instruments(CollectorRegistry()))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["abc physics", "1000", "1000 physics too much", "-1 physics"])
def test_a_wrong_line_of_the_accounts_file_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text(f"# comment\n1000 physics\n{line}\n")
    found = load(tmp_path, f"devices: [{DEVICE}]\napi: {{accounts_file: {accounts}}}")
    with pytest.raises(ConfigurationError, match="line 3: expected 'uid account'"):
        Scheduler(found.api, found.store, found.devices, found.scheduler, Instruments(CollectorRegistry()))


def test_the_command_prints_the_line_and_exits_with_one(tmp_path: Path, environment_in: Any) -> None:
    (tmp_path / "qwatch.yaml").write_text("api: {prot: 1}")
    done = subprocess.run(
        [sys.executable, "-m", "qwatch.cli.main", "serve", "--config", str(tmp_path / "qwatch.yaml")],
        env=environment_in(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"qwatch: {tmp_path / 'qwatch.yaml'}:1: api.prot: unknown key; did you mean port?"
    ]


def test_two_external_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "qwatch.yaml"
    source = "{name: room, file: /tmp/room.prom}"
    file.write_text(f"{GOOD}external: [{source}, {source}]\n")
    ran = subprocess.run(
        [sys.executable, "-m", "qwatch.cli.main", "serve", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode != 0
    assert "external: two sources are named room" in ran.stderr
    assert "Traceback" not in ran.stderr
