"""Grafana's own grammars accept the boards' LogQL and TraceQL, and the fields in them are recorded ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qwatch.dashboards import generate
from qwatch.telemetry import attributes, log_fields

GRAMMARS = Path(__file__).parent / "grafana_grammars"
WINDOWS = {"$__auto": "1m", "$__range": "1h"}
NO_FIELDS = {"__error__", "at"}
"""Of LogQL itself, and a label that a query makes."""
Judge = Callable[[str, str], str | None]


def queries(kind: str) -> Iterator[Any]:
    for name, make in generate.BOARDS.items():
        board = make()
        for panel in (inner for outer in board["panels"] for inner in (outer, *outer.get("panels", []))):
            for target in panel.get("targets", []):
                if target["datasource"]["type"] == kind:
                    query = target["query" if kind == "tempo" else "expr"]
                    yield pytest.param(query, id=f"{name}: {panel['title']} {target['refId']}")


@pytest.fixture(scope="module")
def first_error(
    require_program: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], str | None]:
    """Return a function (language, query) that marks the first syntax error, or gives None."""
    node = require_program("node", "nodejs")
    npm = require_program("npm", "npm")
    home = tmp_path_factory.mktemp("grammars") / "node"
    shutil.copytree(GRAMMARS, home, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        check=False,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if installed.returncode != 0:
        reason = f"npm cannot install Grafana's grammars: {installed.stderr.strip()[-300:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    def judge(language: str, query: str) -> str | None:
        asked = json.dumps([{"language": language, "query": query}])
        done = subprocess.run(
            [str(node), "syntax_errors.js"],
            check=True,
            cwd=home,
            input=asked,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        )
        (error,) = json.loads(done.stdout)
        assert error is None or isinstance(error, str)
        return error

    return judge


@pytest.mark.parametrize("query", queries("loki"))
def test_logql_is_accepted_by_grafanas_grammar(query: str, first_error: Judge) -> None:
    for variable, value in WINDOWS.items():
        query = query.replace(variable, value)
    assert first_error("logql", query) is None


@pytest.mark.parametrize("query", queries("tempo"))
def test_traceql_is_accepted_by_grafanas_grammar(query: str, first_error: Judge) -> None:
    assert first_error("traceql", query) is None


@pytest.mark.parametrize(
    ("language", "query", "error"),
    [
        ("logql", 'sum({qpu_id="EMU"})', 'sum({qpu_id="EMU"}⚠)'),
        ("logql", '{qpu_id="EMU"} | unwrap', '{qpu_id="EMU"} | ⚠unwrap'),
        ("traceql", "{ span. = 1 }", "{ span. ⚠= 1 }"),
    ],
)
def test_the_grammars_show_where_a_query_is_wrong(
    language: str, query: str, error: str, first_error: Judge
) -> None:
    assert first_error(language, query) == error


@pytest.mark.parametrize("query", queries("loki"))
def test_fields_in_logql_are_those_that_log_records_carry(query: str) -> None:
    bare = re.sub(r'"[^"]*"|`[^`]*`', '""', query)
    compared = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=|>)", bare))
    grouped = re.findall(r"\b(?:by \(|keep )([\w, ]*)", bare)
    named = compared | set(re.findall(r"\w+", " ".join(grouped))) | set(re.findall(r"unwrap (\w+)", bare))
    assert named <= {*log_fields.FIELDS, *log_fields.STREAM_LABELS} | NO_FIELDS


@pytest.mark.parametrize("query", queries("tempo"))
def test_attributes_in_traceql_are_those_that_spans_carry(query: str) -> None:
    known = {value for value in vars(attributes).values() if isinstance(value, str)}
    named = re.findall(r"(?:span|resource)\.([\w.]+)", query)
    assert named
    assert set(named) <= known
