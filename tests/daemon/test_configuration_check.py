"""``qwatch config check`` finds contradictions, secrets that others read, and addresses that do not answer."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwatch.daemon.configuration_file.check import check
from qwatch.daemon.configuration_file.finding import Finding

DEVICE = "devices:\n- {name: A, url: 'http://127.0.0.1:1'}\n"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("QWATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def checked(text: str, role: Any = None, *, offline: bool = True, mode: int = 0o640) -> list[Finding]:
    file = Path("qwatch.yaml")
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return check(file, role, offline=offline)


def told(text: str, role: Any = None, **options: Any) -> list[str]:
    return [f"{item.level} {item.place}: {item.key}: {item.line}" for item in checked(text, role, **options)]


def test_a_good_file_has_no_finding() -> None:
    assert told(DEVICE) == []


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", "warning qwatch.yaml: devices: names no device yet: qwatch serve needs at least one"),
        (
            f"{DEVICE}- {{name: A, url: 'http://b', default: true}}\n",
            "error qwatch.yaml:3: devices.1.name: A is the name of devices.0 too",
        ),
        (
            f"{DEVICE}- {{name: B, url: 'http://b'}}\n",
            "warning qwatch.yaml:1: devices: none is the default, so that A is: it is the first",
        ),
        (
            "devices:\n- {name: A, url: 'http://a', default: true}\n"
            "- {name: B, url: 'http://b', default: true}\n",
            "error qwatch.yaml:3: devices.1.default: devices.0 is the default already",
        ),
        (
            f"{DEVICE}api:\n  admin_users: [990]\n",
            "warning qwatch.yaml:4: api.admin_users: without 0, root creates no sessions for others: "
            "Slurm's SPANK plugin runs as root",
        ),
        (
            f"{DEVICE}api:\n  host: 0.0.0.0\n",
            "warning qwatch.yaml:3: api.session_hosts: is empty: the SPANK plugin on compute nodes is refused",
        ),
        (
            "devices: [{name: A, url: 'http://a', simulator: true}]\napi: {auth: local}\n",
            "error qwatch.yaml:2: api.token_file: auth: local needs it",
        ),
        (
            f"{DEVICE}api: {{auth: local, token_file: t}}\n",
            "error qwatch.yaml:3: api.auth: local is for emulators, and A is not marked 'simulator: true'; "
            "use MUNGE, or set api.allow_local_auth_for_real_devices",
        ),
        (
            f"{DEVICE}metrics:\n  port: 8006\n",
            "error qwatch.yaml:4: metrics.port: 8006 is api.port too: choose another one",
        ),
        (
            f"{DEVICE}store: {{url: 'sqlite://'}}\n",
            "error qwatch.yaml:3: store.url: a store in memory is not durable; name a file",
        ),
        (
            f"{DEVICE}store: {{url: 'mysql://h/d'}}\n",
            "error qwatch.yaml:3: store.url: mysql is no store; sqlite and postgresql are",
        ),
        (
            f"{DEVICE}store: {{url: hunter2x}}\n",
            "error qwatch.yaml:3: store.url: is not a database URL such as sqlite:////var/lib/qwatch/qwatch.db",
        ),
        (
            f"{DEVICE}observer: {{devices: [{{name: A, qpu_api: {{url: 'http://q'}}}}]}}\n",
            "warning qwatch.yaml:3: observer: is read by qwatch serve --role observer only",
        ),
        (
            "devices:\n- {name: A, url: 'http://a',\n"
            "   auth: {url: 'http://k', realm: r, id: i, secret_file: /nowhere}}\n",
            "error qwatch.yaml:3: devices.0.auth.secret_file: /nowhere does not exist",
        ),
        (
            f"{DEVICE}metrics: {{web_config_file: /nowhere.yml}}\n",
            "error qwatch.yaml:3: metrics.web_config_file: /nowhere.yml: No such file or directory",
        ),
        (
            f"{DEVICE}api: {{accounts_file: /nowhere}}\n",
            "error qwatch.yaml:3: api.accounts_file: /nowhere: No such file or directory",
        ),
        (
            "devices:\n- {name: A, url: 'http://a',\n"
            "   auth: {url: 'http://k', realm: r, id: i, secret_file: /run/credentials/x.service/y}}\n",
            "warning qwatch.yaml:3: devices.0.auth.secret_file: /run/credentials/x.service/y "
            "is there only while its unit runs: not looked at",
        ),
        ("api:\n  prot: 1\n", "error qwatch.yaml:2: api.prot: unknown key; did you mean port?"),
        (
            "api: [",
            "error qwatch.yaml:1: : is not YAML: while parsing a flow node, "
            "expected the node content, but found '<stream end>'",
        ),
    ],
)
def test_a_finding_is_one_line_with_its_place(text: str, finding: str) -> None:
    assert told(text) == [finding]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", "warning qwatch.yaml: observer.devices: names no device yet: an observer needs at least one"),
        (
            f"{DEVICE}observer: {{devices: [{{name: A, qpu_api: {{url: 'http://q'}}}}]}}\n",
            "warning qwatch.yaml:1: devices: is not read by an observer: its devices are observer.devices",
        ),
        ("observer: {devices: [{name: A, qpu_api: {url: 'http://q'}}]}\napi: {auth: local}\n", None),
    ],
)
def test_a_role_has_needs_of_its_own(text: str, finding: str | None) -> None:
    assert told(text, "observer") == ([finding] if finding else [])


def test_the_role_is_seen_from_the_devices() -> None:
    assert told("observer: {devices: [{name: A, qpu_api: {url: 'http://q'}}]}\n") == []


def test_a_variable_of_no_section_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWATCH_APPI__PORT", "1")
    assert told(DEVICE) == ["warning environment QWATCH_APPI__PORT: : is no key of the configuration"]


SECRETS = [
    ("telemetry: {loki_url: 'http://l', loki_user: u, loki_password: hunter2x}\n", "telemetry.loki_password"),
    ("telemetry: {otlp_headers: {Authorization: hunter2x}}\n", "telemetry.otlp_headers"),
    ("store: {url: 'postgresql://u:hunter2x@h/d'}\n", "store.url"),
    ("store: {url: 'postgresql://u:hun/ter@2x@h/d'}\n", "store.url"),
    ("store: {url: 'postgresql://h/d?user=u&password=hunter2x'}\n", "store.url"),
]


@pytest.mark.parametrize(("text", "key"), SECRETS)
def test_a_credential_in_a_file_that_everybody_reads_is_an_error(text: str, key: str) -> None:
    found = told(DEVICE + text, mode=0o644)
    assert found == [
        f"error qwatch.yaml:3: {key}: a credential in a file that everybody can read: chmod o-rwx qwatch.yaml"
    ]
    assert told(DEVICE + text, mode=0o640) == []
    assert told(DEVICE, mode=0o644) == []


def test_a_credential_from_the_environment_does_not_blame_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWATCH_STORE__URL", "postgresql://u:hunter2x@h/d")
    assert told(DEVICE, mode=0o644) == []


def test_files_of_secrets_that_everybody_reads_are_errors(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2x")
    auth = f"{{url: 'http://k', realm: r, id: i, secret_file: {secret}}}"
    observed = [
        f"peer_api: {{url: 'http://w', auth: token, token_file: {secret}}}",
        f"peer_database: {{url: 'postgresql://u@h/d', password_file: {secret}}}",
        f"qpu_api: {{url: 'http://q', auth: {auth}}}",
        f"qrmi: {{secret_files: {{QRMI_TOKEN: {secret}}}}}",
    ]
    texts = [
        f"devices: [{{name: A, url: 'http://a', auth: {auth}}}]\n",
        "devices: [{name: A, url: 'http://a', simulator: true}]\n"
        f"api: {{auth: local, token_file: {secret}}}\n",
        *(f"observer: {{devices: [{{name: A, {source}}}]}}\n" for source in observed),
    ]
    for text in texts:
        secret.chmod(0o644)
        [line] = told(text)
        assert line.endswith(f"{secret} can be read by everybody: chmod o-rwx {secret}")
        secret.chmod(0o600)
        assert told(text) == []


def test_the_users_and_the_key_of_a_web_configuration_are_secrets(tmp_path: Path) -> None:
    web, key = tmp_path / "web.yml", tmp_path / "key.pem"
    key.write_text("hunter2x")
    web.write_text(f"tls_server_config: {{cert_file: c.pem, key_file: {key}}}\nbasic_auth_users: {{}}\n")
    web.chmod(0o644)
    key.chmod(0o644)
    text = f"{DEVICE}metrics: {{web_config_file: {web}}}\n"
    assert [line for line in told(text) if "can be read by everybody" in line] == [
        f"error qwatch.yaml:3: metrics.web_config_file: {key} can be read by everybody: chmod o-rwx {key}"
    ]
    key.chmod(0o600)
    web.write_text(f"basic_auth_users: {{u: $2y$10${'a' * 53}}}\n")
    assert [line for line in told(text) if "can be read by everybody" in line] == [
        f"error qwatch.yaml:3: metrics.web_config_file: {web} can be read by everybody: chmod o-rwx {web}"
    ]


def test_addresses_that_do_not_answer_are_errors_and_the_others_are_ok(
    free_port: Callable[[], int], tmp_path: Path, run_emulator: Any
) -> None:
    dead = free_port()
    with run_emulator() as emulator, socket.create_server(("127.0.0.1", 0)) as taken:
        text = f"""
api: {{port: {taken.getsockname()[1]}, munge_socket: {tmp_path}/no-munge}}
metrics: {{port: {free_port()}}}
store: {{url: "sqlite:///{tmp_path}/qwatch.db"}}
devices:
- {{name: GOOD, url: "{emulator.url}", default: true}}
- {{name: BAD, url: "http://u:hunter2x@127.0.0.1:{dead}"}}
- {{name: R, adapter: qrmi, environment: {{X_QRMI_WARDEN_URL: "http://127.0.0.1:{dead}"}}}}
telemetry:
  otlp_endpoint: "http://127.0.0.1:{dead}"
  otlp_headers: {{Authorization: Bearer hunter2x}}
  loki_url: "http://127.0.0.1:{dead}"
"""
        found = {item.key: item for item in checked(text, offline=False)}
        bad = {key for key, item in found.items() if item.level == "error"}
        assert bad == {
            "api.port",
            "api.munge_socket",
            "devices.1.url",
            "devices.2.environment.X_QRMI_WARDEN_URL",
            "telemetry.otlp_endpoint",
            "telemetry.loki_url",
        }
        assert "is taken by" in found["api.port"].line
        assert found["devices.1.url"].place == "qwatch.yaml:7"
        assert {key for key, item in found.items() if item.level == "ok"} == {"store.url", "devices.0.url"}
        assert "hunter2x" not in repr(found)
        assert checked(text, offline=True) == []


def test_ports_of_a_qwatch_that_runs_are_ok(run_daemon: Any, run_emulator: Any, device_at: Any) -> None:
    with run_emulator() as emulator, run_daemon(devices=[device_at(emulator.url)]) as daemon:
        daemon.file.chmod(0o640)
        found = {item.key: item for item in check(daemon.file)}
        assert {item.level for item in found.values()} == {"ok"}
        assert "by a qwatch that runs already" in found["api.port"].line
        assert "by a qwatch that runs already" in found["metrics.port"].line


def test_a_database_that_does_not_answer_is_told_without_its_password(free_port: Callable[[], int]) -> None:
    pytest.importorskip("psycopg")
    text = f"{DEVICE}store: {{url: 'postgresql+psycopg://u:hunter2x@127.0.0.1:{free_port()}/d'}}\n"
    [line] = [line for line in told(text, offline=False) if "store.url" in line]
    assert line.startswith("error qwatch.yaml:3: store.url: ")
    assert "does not answer" in line
    assert "hunter2x" not in line
