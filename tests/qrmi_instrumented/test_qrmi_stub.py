"""The stub that the type-checker reads says what the wheel is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import qrmi

STUB = Path(__file__).parents[2] / "typings" / "qrmi" / "__init__.pyi"


def declared(body, owner):
    """Every class, function, method and enumeration member that the stub names below ``owner``."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield owner, node.name
            yield from declared(node.body, f"{owner}.{node.name}".lstrip("."))
        elif isinstance(node, ast.FunctionDef):
            yield owner, node.name
        elif isinstance(node, ast.AnnAssign):
            yield owner, node.target.id


@pytest.mark.parametrize(("owner", "name"), declared(ast.parse(STUB.read_text()).body, ""))
def test_the_wheel_has_what_the_stub_names(owner, name):
    found = qrmi
    for part in filter(None, owner.split(".")):
        found = getattr(found, part)
    assert hasattr(found, name)


def test_the_stub_has_every_error_and_type_of_resource():
    names = dict.fromkeys(name for _, name in declared(ast.parse(STUB.read_text()).body, ""))
    missing = {name for name in dir(qrmi) if name.endswith("Error")} - set(names)
    assert missing == set()
    types = {name for name in dir(qrmi.ResourceType) if not name.startswith("_")}
    assert types <= set(names)
