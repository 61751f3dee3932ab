"""Every key of the configuration is also an environment variable, which wins over the file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr

from qwatch.daemon.configuration import Configuration, configuration_from, validate
from qwatch.daemon.configuration_file.document import parse_document
from qwatch.daemon.configuration_file.environment import unknown_variables, variable_that_sets
from qwatch.daemon.configuration_file.keys import Key, is_json, keys_of, plain_value

SETTABLE = [key for key in keys_of(Configuration) if not key.is_of_a_list]
DEVICE = {"name": "A", "url": "http://a"}
GIVEN: dict[str, Any] = {
    "devices": [DEVICE],
    "external": [{"name": "room", "file": "/x"}],
    "observer.devices": [{"name": "A", "qpu_api": {"url": "http://a"}}],
    "reports.targets.wait": {"test": {"within": 5, "ratio": 0.5}},
}
"""Values of the keys that hold lists or mappings of sections."""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("QWATCH_")]:
        monkeypatch.delenv(name)


def candidates(key: Key) -> Iterator[Any]:
    """Yield values that may be valid for a key, none of which is its default."""
    if key.path in GIVEN:
        yield GIVEN[key.path]
        return
    default = key.default
    if isinstance(default, bool):
        yield not default
    elif isinstance(default, int | float):
        yield from (default + 1, default / 2, default / 2 + 0.25)
    elif is_json(key.field.annotation):
        yield from ([7], ["10.0.0.0/8"], ["other"], {"test": 0.5}, {"X-Scope": "north"})
    for part in (key.field.annotation, *get_args(key.field.annotation)):
        yield from (value for value in get_args(part) if isinstance(value, str) and value != default)
    yield from (0.5, 7, "/somewhere", "Europe/Paris", "http://host:4318", "other", "X-Other")


def read(configuration: Configuration, key: Key) -> Any:
    value = reduce(getattr, key.location, configuration)  # type: ignore[arg-type]
    return json.loads(json.dumps(plain_value(value)))


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("key", [key for key in SETTABLE if key.shape != "section"], ids=lambda key: key.path)
def test_its_variable_sets_it_over_the_file(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    # What another key needs beside it, so that either alone is refused.
    beside = {
        "telemetry.loki_user": ("QWATCH_TELEMETRY__LOKI_PASSWORD", "x"),
        "telemetry.loki_password": ("QWATCH_TELEMETRY__LOKI_USER", "x"),
        "api.proxy_user_header": ("QWATCH_API__PROXY_HOSTS", '["10.0.0.0/8"]'),
        "telemetry.logs": ("QWATCH_TELEMETRY__OTLP_ENDPOINT", "http://a:4318"),
        "telemetry.otlp_metrics": ("QWATCH_TELEMETRY__OTLP_ENDPOINT", "http://a:4318"),
    }
    before = Configuration()
    if key.path in beside:
        monkeypatch.setenv(*beside[key.path])
    for value in candidates(key):
        monkeypatch.setenv(key.variable, text_of(value))
        found = validate(parse_document("", "qwatch.yaml"))
        if not isinstance(found, Configuration):
            continue
        if key.is_secret:
            assert reduce(getattr, key.location, found) != reduce(getattr, key.location, before)  # type: ignore[arg-type]
        else:
            assert read(found, key) != read(before, key)
        assert variable_that_sets(key.location, os.environ) == key.variable
        return
    # There is no other value: then a wrong one is the variable's mistake.
    assert len(get_args(key.field.annotation)) == 1, f"no value of {key.variable} is taken"
    assert isinstance(found, list)
    assert [(item.place, item.key) for item in found] == [(f"environment {key.variable}", key.path)]


@pytest.mark.parametrize(
    "key", [key for key in SETTABLE if not key.required and key.default is None], ids=lambda key: key.path
)
def test_null_in_a_variable_is_none_and_wins_over_the_file(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(key.variable, "null")
    assert reduce(getattr, key.location, Configuration()) is None  # type: ignore[arg-type]


def test_null_takes_back_what_the_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWATCH_API__SESSION_IDLE_TIMEOUT", "null")
    assert configuration_from({"api": {"session_idle_timeout": 5}}, "x").api.session_idle_timeout is None


def test_a_section_is_a_variable_too_and_its_keys_win_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWATCH_API", '{"port": 1, "max_shots": 5}')
    monkeypatch.setenv("QWATCH_API__PORT", "2")
    found = Configuration().api
    assert (found.port, found.max_shots) == (2, 5)
    assert variable_that_sets(("api", "port"), os.environ) == "QWATCH_API__PORT"
    assert variable_that_sets(("api", "max_shots"), os.environ) == "QWATCH_API"
    assert variable_that_sets(("api", "host"), os.environ) is None


def test_a_list_of_devices_in_a_variable_has_the_origin_of_each_of_its_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QWATCH_DEVICES", json.dumps([DEVICE]))
    assert variable_that_sets(("devices", 0, "url"), os.environ) == "QWATCH_DEVICES"
    assert variable_that_sets(("devices", 0, "vendor"), os.environ) is None
    assert variable_that_sets(("devices", 1, "url"), os.environ) is None


def test_a_secret_in_a_variable_stays_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QWATCH_TELEMETRY__OTLP_HEADERS", '{"Authorization": "Bearer abcdefgh"}')
    assert Configuration().telemetry.otlp_headers == {"Authorization": SecretStr("Bearer abcdefgh")}


def test_variables_of_sections_that_do_not_exist_are_seen() -> None:
    names = ["QWATCH_APPI__PORT", "QWATCH_API__PORT", "QWATCH_TOKEN_FILE", "QWATCH_DEVICES"]
    assert unknown_variables(Configuration, dict.fromkeys(names, "1")) == ["QWATCH_APPI__PORT"]
