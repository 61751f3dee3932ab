"""What ``qwatch config init`` writes is a configuration, holds every key, and means the defaults."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from qwatch.daemon.configuration import Configuration, configuration_of
from qwatch.daemon.configuration_file import reference
from qwatch.daemon.configuration_file.document import parse_document
from qwatch.daemon.configuration_file.keys import keys_of
from qwatch.daemon.configuration_file.template import ESSENTIAL, template

ROLES = ("all", "observer")
KEY_LINE = re.compile(r"^( *)#(?=[-\w])", re.MULTILINE)
"""The "#" of a key that is commented out; that of a comment has a blank after it."""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("QWATCH_")]:
        monkeypatch.delenv(name)


def loaded(text: str) -> Configuration:
    return configuration_of(parse_document(text, "qwatch.yaml"))


def lines_of_single_values(text: str) -> list[int]:
    """Return the numbers of the lines with a key that stands for itself, outside of lists."""
    in_list = False
    found = []
    for number, line in enumerate(text.splitlines()):
        if re.match(r"[a-z]", line) or re.match(r"  [a-z]+:$", line):
            in_list = line.strip() in ("devices:", "external:")
        if not in_list and KEY_LINE.match(line):
            found.append(number)
    return found


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("role", ROLES)
def test_it_means_the_defaults(role: Any, full: bool) -> None:
    assert loaded(template(Configuration, role, full=full)) == Configuration()


@settings(deadline=None, max_examples=30)
@given(data=st.data(), role=st.sampled_from(ROLES))
def test_any_default_can_be_uncommented_without_a_change(data: st.DataObject, role: Any) -> None:
    lines = template(Configuration, role, full=True).splitlines()
    chosen = data.draw(st.sets(st.sampled_from(lines_of_single_values("\n".join(lines)))))
    for number in chosen:
        lines[number] = KEY_LINE.sub(r"\1", lines[number])
    assert loaded("\n".join(lines)) == Configuration()


@pytest.mark.parametrize("role", ROLES)
def test_with_everything_uncommented_it_has_a_device_whose_examples_are_valid(role: Any) -> None:
    found = loaded(KEY_LINE.sub(r"\1", template(Configuration, role, full=True)))
    devices = found.devices if role == "all" else found.observer.devices
    assert [device.name for device in devices] == ["FRESNEL"]
    assert found.external[0].name == "cryostat"
    assert found.telemetry == Configuration().telemetry


def test_the_full_ones_hold_every_key_with_its_description_and_variable() -> None:
    texts = [template(Configuration, role, full=True) for role in ROLES]
    text = " ".join(" ".join(texts).replace("#", " ").split())
    for key in keys_of(Configuration):
        if "<name>" in key.location:
            continue
        assert key.description, f"{key.path} has no description: give its Field one"
        assert f"{key.name}:" in text, key.path
        assert " ".join(key.description.replace("``", "").split()) in text, key.path
        assert key.variable in text, key.path


def test_the_short_one_names_keys_that_exist_and_the_full_one_is_longer() -> None:
    assert {key.path for key in keys_of(Configuration)} >= ESSENTIAL
    short, full = (template(Configuration, "all", full=full) for full in (False, True))
    assert len(short.splitlines()) < len(full.splitlines()) / 2


@pytest.mark.parametrize(("role", "absent"), [("all", "observer"), ("observer", "scheduler")])
def test_a_role_is_not_shown_the_sections_of_another(role: Any, absent: str) -> None:
    assert absent not in yaml.safe_load(template(Configuration, role, full=True))


def test_the_reference_of_keys_is_fresh_and_says_so_when_it_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reference.main(["--check"]) == 0
    stale = tmp_path / "keys.md"
    assert reference.main(["--file", str(stale)]) == 0
    stale.write_text(stale.read_text().replace("8006", "8005"))
    assert reference.main(["--check", "--file", str(stale)]) == 1
    assert "make configuration-reference" in capsys.readouterr().err
