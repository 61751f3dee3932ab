"""``qwatch config``: a file is written, checked and shown; scripts read JSON; no secret is ever printed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def config(tmp_path: Path, environment_in: Any) -> Run:
    """Return a function (*arguments, **variables) that runs ``qwatch config`` in a folder of its own."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "qwatch.cli.main", "config", *arguments],
            cwd=tmp_path,
            env=environment_in(tmp_path, **variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_what_is_written_passes_the_check_and_is_not_overwritten(config: Run, tmp_path: Path) -> None:
    assert config("init").returncode == 0
    file = tmp_path / "qwatch.yaml"
    assert file.stat().st_mode & 0o777 == 0o640
    checked = config("check", "--offline")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "qwatch.yaml: 0 errors, 1 warning" in checked.stdout
    assert json.loads(config("show", "--changed", "--json").stdout) == []
    file.write_text("api: {port: 1}\n")
    again = config("init")
    assert again.returncode == 1
    assert again.stderr == "qwatch: qwatch.yaml is there already; --force overwrites it\n"
    assert file.read_text() == "api: {port: 1}\n"
    assert config("init", "--role", "observer", "--full", "--force").returncode == 0
    assert "observer:" in file.read_text()
    assert config("init", "--out", "-", "--role", "observer", "--full").stdout == file.read_text()


def test_exit_codes_tell_mistakes_from_wrong_usage(config: Run, tmp_path: Path) -> None:
    assert config("check").returncode == 2, "there is no file"
    assert config("check", "absent.yaml").returncode == 2
    (tmp_path / "qwatch.yaml").write_text("api:\n  prot: 1\n")
    assert config("check", "--role", "boss").returncode == 2
    wrong = config("check", "--json")
    assert wrong.returncode == 1
    assert json.loads(wrong.stdout) == [
        {
            "level": "error",
            "place": "qwatch.yaml:2",
            "key": "api.prot",
            "line": "unknown key; did you mean port?",
        }
    ]
    assert config("show").returncode == 1
    assert config("show").stderr == "qwatch: qwatch.yaml:2: api.prot: unknown key; did you mean port?\n"


WITH_SECRETS = """\
api:
  port: 9006
store:
  url: postgresql://qwatch:hunter2-a/b@127.0.0.1:1/q?sslpassword=hunter2-b
devices:
- name: A
  adapter: qrmi
  url: http://u:hunter2-c@127.0.0.1:1
  environment:
    A_QRMI_IBM_QRS_ENDPOINT: http://127.0.0.1:1
    A_QRMI_IBM_QRS_IAM_APIKEY: hunter2-d
    A_SOMETHING_ELSE: hunter2-e
external:
- {name: room, command: [/opt/x, --token=hunter2-f, --password, hunter2-g, plain]}
telemetry:
  otlp_headers: {Authorization: Bearer hunter2-h}
  loki_url: http://127.0.0.1:1
  loki_user: u
  loki_password: hunter2-i
"""


def test_no_output_tells_a_secret(config: Run, tmp_path: Path) -> None:
    (tmp_path / "qwatch.yaml").write_text(WITH_SECRETS)
    variables = {"QWATCH_TELEMETRY__OTLP_HEADERS": '{"X-Key": "hunter2-j"}'}
    for arguments in (
        ["show"], ["show", "--json"], ["show", "--changed"],
        ["check"], ["check", "--json"], ["check", "--offline"],
    ):  # fmt: skip
        ran = config(*arguments, **variables)
        assert ran.stdout
        assert "hunter2" not in ran.stdout + ran.stderr, arguments
        assert "Traceback" not in ran.stderr


def test_each_value_is_shown_with_where_it_comes_from(config: Run, tmp_path: Path) -> None:
    (tmp_path / "qwatch.yaml").write_text(WITH_SECRETS)
    variables = {"QWATCH_API__HOST": "127.0.0.2", "QWATCH_REPORTS": '{"site": "here"}'}
    rows = json.loads(config("show", "--json", **variables).stdout)
    found = {row["key"]: (row["value"], row["origin"]) for row in rows}
    assert found["api.host"] == ("127.0.0.2", "QWATCH_API__HOST")
    assert found["api.port"] == (9006, "qwatch.yaml:2")
    assert found["api.auth"] == ("munge", "default")
    assert found["reports.site"] == ("here", "QWATCH_REPORTS")
    assert found["devices.0.name"] == ("A", "qwatch.yaml:6")
    assert found["devices.0.environment"] == (
        {
            "A_QRMI_IBM_QRS_ENDPOINT": "http://127.0.0.1:1",
            "A_QRMI_IBM_QRS_IAM_APIKEY": "[redacted]",
            "A_SOMETHING_ELSE": "[redacted]",
        },
        "qwatch.yaml:9",
    )
    assert found["external.0.command"][0] == [
        "/opt/x",
        "--token=[redacted]",
        "--password",
        "[redacted]",
        "plain",
    ]
    assert found["telemetry.loki_password"] == ("[redacted]", "qwatch.yaml:19")
    assert found["reports.targets.wait.production.within"] == (3600.0, "default")
    changed = config("show", "--changed", **variables).stdout.splitlines()
    assert len(changed) == sum(row["origin"] != "default" for row in rows)
    assert any(line.split() == ["api.port", "9006", "qwatch.yaml:2"] for line in changed)
