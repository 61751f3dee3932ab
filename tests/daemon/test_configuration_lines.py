"""A mistake is told with the file's line or the variable, with what was meant, and without any value."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from qwatch.daemon.configuration import load_configuration
from qwatch.daemon.configuration_file.document import parse_document
from qwatch.scheduler.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("QWATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refusals(text: str) -> list[str]:
    Path("qwatch.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(Path("qwatch.yaml"))
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("api:\n  host: ::1\n  prot: 1\n", "qwatch.yaml:3: api.prot: unknown key; did you mean port?"),
        ("\n\nmetric: {}\n", "qwatch.yaml:3: metric: unknown key; did you mean metrics?"),
        (
            "metrics:\n\n  loki_url: http://x\n",
            "qwatch.yaml:3: metrics.loki_url: unknown key; did you mean telemetry.loki_url?",
        ),
        ("api:\n  zzz: 1\n", "qwatch.yaml:2: api.zzz: unknown key"),
        (
            "devices:\n- name: A\n  url: http://x\n  auth:\n    url: http://x\n    relm: r\n"
            "    realm: r\n    id: i\n    secret_file: /s\n",
            "qwatch.yaml:6: devices.0.auth.relm: unknown key; did you mean realm?",
        ),
        (
            "devices:\n- name: A\n  url: http://x\n- url: http://y\n",
            "qwatch.yaml:4: devices.1.name: required here, and not given",
        ),
        (
            "slurm:\n  interval: 30s\n",
            "qwatch.yaml:2: slurm.interval: is a number of seconds, written without a unit: 30",
        ),
        (
            "api:\n  session_idle_timeout: 7 days\n",
            "qwatch.yaml:2: api.session_idle_timeout: is a number of seconds, written without a unit: 604800",
        ),
        (
            "devices: [{name: A, url: 'http://x',\n  min_poll_interval: 5ms}]\n",
            "qwatch.yaml:2: devices.0.min_poll_interval: is a number of seconds, written without a unit: 0.005",
        ),
        (
            "api:\n  max_body_bytes: 4MiB\n",
            "qwatch.yaml:2: api.max_body_bytes: is a number of bytes, written without a unit: 4194304",
        ),
        (
            "reports:\n  targets:\n    wait:\n      production:\n        within: 1 parsec\n",
            "qwatch.yaml:5: reports.targets.wait.production.within: "
            "is a number of seconds, written without a unit",
        ),
        (
            "api:\n  port: 1\n  host: ::1\n  port: 2\n",
            "qwatch.yaml:4: api.port: stands here a second time; the first is on line 2",
        ),
        (
            "api:\n  host: '::1\n",
            "qwatch.yaml:3: is not YAML: while scanning a quoted scalar, found unexpected end of stream",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_was_meant(text: str, line: str) -> None:
    assert refusals(text) == [line]


def test_mistakes_stand_in_the_order_of_the_file() -> None:
    lines = refusals("metrics: {port: x}\nstore: {path: y}\napi: {port: x,\n prot: 1}\n")
    assert [line.split(":")[1] for line in lines] == ["1", "2", "3", "4"]


def test_a_mistake_of_the_environment_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWATCH_API__PORT", "eight")
    [line] = refusals("api:\n  port: 8006\n")
    assert line.startswith("environment QWATCH_API__PORT: api.port: ")
    monkeypatch.delenv("QWATCH_API__PORT")
    monkeypatch.setenv("QWATCH_API__ADMIN_USERS", "0, 990")
    assert refusals("") == [
        "environment QWATCH_API__ADMIN_USERS: api.admin_users: "
        "is not JSON, as lists and mappings are in variables"
    ]


def test_a_contradiction_of_file_and_environment_names_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWATCH_SLURM__INTERVAL", "600")
    assert refusals("api: {}\nslurm: {stale_after: 60}\n")[0].startswith("qwatch.yaml:2: slurm: stale_after is")
    assert refusals("")[0].startswith("environment QWATCH_SLURM__INTERVAL: slurm: stale_after is")


def test_a_section_below_which_all_is_a_comment_is_default() -> None:
    Path("qwatch.yaml").write_text("api:\n  # port: 1\ndevices:\nreports:\n  targets:\n  #  x\n")
    found = load_configuration(Path("qwatch.yaml"))
    assert (found.api.port, found.devices) == (8006, [])
    # A section that may be absent says so itself.
    Path("qwatch.yaml").write_text("devices: [{name: A, url: 'http://x', auth: null}]")
    assert load_configuration(Path("qwatch.yaml")).devices[0].auth is None


@pytest.mark.parametrize(
    "text",
    [
        "telemetry: {loki_password: 'hunter2x",
        "telemetry:\n  loki_password: *hunter2x\n",
        "telemetry:\n  loki_password: !hunter2x\n",
        "telemetry:\n  loki_password: %hunter2x\n",
        'telemetry:\n  loki_password: "\\hunter2x"\n',
        "telemetry:\n  loki_password: hunter2x: y\n",
        "telemetry: {loki_password: [hunter2x], loki_user: u}\n",
        "telemetry: {loki_pasword: hunter2x}\n",
        "telemetry: {otlp_headers: hunter2x}\n",
        "telemetry: {otlp_headers: {Authorization: [hunter2x]}}\n",
        "telemetry: {loki_url: 'http://u:hunter2x/@loki:3100'}\n",
        "telemetry: {loki_url: 'http://u:hunter2x@loki'}\n",
        "telemetry: {loki_url: 'http://loki:hunter2x'}\n",
        "telemetry: {otlp_endpoint: 'http://[hunter2x'}\n",
        "telemetry: {otlp_endpoint: 'hunter2x'}\n",
        "store: {url: {password: hunter2x}}\n",
        "devices: [{name: A, url: 'ftp://u:hunter2x@q'}]\n",
        "devices: [{name: A, url: 'http://q', environment: {TOKEN: [hunter2x]}}]\n",
        "devices: [{name: A, url: 'http://q', quality: {feed: {url: 'http://u:hunter2x@q'}}}]\n",
        "observer: {devices: [{name: A, peer_database: {url: 'postgresql://u:hunter2x@h/d'}}]}\n",
        "observer: {devices: [{name: A, peer_database: {url: 'u:hunter2x@h'}}]}\n",
        "observer: {devices: [{name: A, peer_api: {url: 'http://w', auth: token, token: hunter2x}}]}\n",
        "api: hunter2x\n",
        "hunter2x\n",
    ],
)
def test_no_error_tells_a_value(text: str) -> None:
    said = "\n".join(refusals(text))
    assert "hunter2" not in said
    assert said.startswith("qwatch.yaml")


@settings(deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text("ab:#'- ")),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_the_line_of_a_key_is_where_it_stands(data: object) -> None:
    text = yaml.safe_dump({"top": data})
    document = parse_document(text, "x")
    assert document.data == yaml.safe_load(text)
    lines = text.splitlines()
    for location, number in document.lines.items():
        if isinstance(location[-1], str):
            assert location[-1] in lines[number - 1]


def test_a_file_that_holds_itself_is_refused() -> None:
    assert refusals("a: &a\n  b: *a\n") == [
        "qwatch.yaml: holds itself, or far more than a configuration: look at its anchors"
    ]
