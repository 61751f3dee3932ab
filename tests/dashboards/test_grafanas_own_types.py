"""Every board loads into Grafana's own typed models: the Foundation SDK for Python, @grafana/schema by tsc."""

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
from grafana_foundation_sdk.cog import runtime
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel, RowPanel

from qwatch.dashboards import generate
from qwatch.dashboards.grafana import Json

TYPES = Path(__file__).parent / "grafana_types"
BOARDS = sorted(generate.BOARDS)
MODULES = {
    "bargauge": "BarGauge",
    "heatmap": "Heatmap",
    "logs": "Logs",
    "stat": "Stat",
    "state-timeline": "StateTimeline",
    "table": "Table",
    "timeseries": "TimeSeries",
}
"""What @grafana/schema calls the types of each kind of panel."""
WITHOUT_OWN_FIELDS = {"bargauge", "logs", "stat"}
"""Kinds of panels whose fields have nothing to configure."""
QUERIES = {"loki": "Loki", "tempo": "Tempo"}
OF_PLUGINS = {"auto", "auto_count", "auto_min", "definition", "expr", "step", "tagKeys", "titleFormat"}
"""Fields of annotations of Prometheus and of some variables, which the model of a dashboard leaves out."""


OF_A_PLUGIN = re.compile(rf"\.(annotations|templating)\.list\[\d+\]\.({'|'.join(sorted(OF_PLUGINS))})")


def panels_of(board: Json) -> Iterator[Json]:
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def without_plugins(given: Json) -> Json:
    return {name: value for name, value in given.items() if name not in OF_PLUGINS}


def lost(given: Any, kept: Any, where: str = "") -> Iterator[str]:
    """Yield what was given and is not kept, or is kept otherwise."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            if name not in kept:
                if value not in (None, [], {}):
                    yield f"{where}.{name}"
            else:
                yield from lost(value, kept[name], f"{where}.{name}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost(one, other, f"{where}[{number}]")
    elif given != kept:
        yield f"{where}: {given!r} became {kept!r}"


@pytest.mark.parametrize("name", BOARDS)
def test_the_foundation_sdk_loads_a_board_and_keeps_all_of_it(name: str) -> None:
    register_default_plugins()
    board = generate.BOARDS[name]()
    loaded = Dashboard.from_json(board)
    assert loaded.panels is not None
    for panel in loaded.panels:
        assert isinstance(panel, Panel | RowPanel)
        if isinstance(panel, Panel):
            assert not [t for t in panel.targets or [] if isinstance(t, runtime.UnknownDataquery)], panel.title
            assert not isinstance(panel.options, dict), f"{panel.title}: no typed options"
    kept = json.loads(json.dumps(loaded, cls=JSONEncoder))
    assert [line for line in lost(board, kept) if not OF_A_PLUGIN.fullmatch(line)] == []


@pytest.fixture(scope="module")
def compiled(
    require_program: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Return a function that gives what tsc says of a source."""
    node, npm = require_program("node", "nodejs"), require_program("npm", "npm")
    home = tmp_path_factory.mktemp("types") / "node"
    shutil.copytree(TYPES, home, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        check=False,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=150,
    )
    if installed.returncode != 0:
        reason = f"npm cannot install Grafana's types: {installed.stderr.strip()[-300:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    def compile_source(source: str) -> str:
        (home / "boards.ts").write_text(source, encoding="utf-8")
        options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"]
        options += ["--module", "esnext", "--moduleResolution", "bundler"]
        done = subprocess.run(
            [str(node), "node_modules/typescript/bin/tsc", *options, "boards.ts"],
            check=False,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=170,
        )
        return done.stdout + done.stderr

    return compile_source


def imports() -> Iterator[str]:
    yield "import type { Plain } from './plain';"
    yield "import type { Dashboard, Panel, RowPanel } from '@grafana/schema';"
    composable = "@grafana/schema/dist/esm/raw/composable"
    for kind, name in MODULES.items():
        folder = kind.replace("-", "")
        path = f"{composable}/{folder}/panelcfg/x/{name}PanelCfg_types.gen"
        yield f"import type * as {name}Panel from '{path}';"
    for kind, name in QUERIES.items():
        path = f"{composable}/{kind}/dataquery/x/{name}DataQuery_types.gen"
        yield f"import type * as {name}Query from '{path}';"


def statements(name: str, board: Json) -> Iterator[str]:
    """Yield a typed constant for a board, for each of its panels, and for what a panel's kind adds."""

    def typed(kind: str, value: Any) -> str:
        nonlocal number
        number += 1
        return f"export const {name}{number}: Plain<{kind}> = {json.dumps(value)};"

    number = 0
    whole = {key: value for key, value in board.items() if key != "panels"}
    for lists in ("annotations", "templating"):
        whole[lists] = {"list": [without_plugins(one) for one in board[lists]["list"]]}
    yield typed("Omit<Dashboard, 'panels'>", whole)
    for panel in panels_of(board):
        if panel["type"] == "row":
            yield typed("Omit<RowPanel, 'panels'>", {k: v for k, v in panel.items() if k != "panels"})
            continue
        yield typed("Panel", panel)
        kind = f"{MODULES[panel['type']]}Panel"
        yield typed(f"{kind}.Options", panel["options"])
        if panel["type"] not in WITHOUT_OWN_FIELDS:
            yield typed(f"{kind}.FieldConfig", panel["fieldConfig"]["defaults"]["custom"])
        for target in panel["targets"]:
            if target["datasource"]["type"] in QUERIES:
                query = f"{QUERIES[target['datasource']['type']]}Query"
                yield typed(f"{query}.{'TempoQuery' if query == 'TempoQuery' else 'LokiDataQuery'}", target)


def test_tsc_accepts_every_board_as_grafanas_own_types(compiled: Callable[[str], str]) -> None:
    lines = [*imports(), *(line for name in BOARDS for line in statements(name, generate.BOARDS[name]()))]
    assert compiled("\n".join(lines)) == ""


def test_tsc_refuses_what_grafana_does_not_know(compiled: Callable[[str], str]) -> None:
    wrong = {"type": "timeseries", "titel": "A"}
    source = "\n".join([*imports(), f"export const wrong: Plain<Panel> = {json.dumps(wrong)};"])
    assert "'\"titel\"' does not exist in type" in compiled(source)
