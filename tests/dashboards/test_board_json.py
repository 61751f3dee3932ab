"""The committed boards are those that the code makes, and are well formed."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwatch.dashboards import generate
from qwatch.dashboards.grafana import GRID_COLUMNS, Line

Json = dict[str, Any]
BOARDS = sorted(generate.BOARDS)
LEGACY_PANELS = {"graph", "singlestat", "table-old", "grafana-piechart-panel", "heatmap-old"}
LEGACY_FIELDS = {"rows", "style", "hideControls", "sharedCrosshair", "span", "minSpan", "gnetId", "__inputs"}
FIRST_SCREEN = 25
"""Grid units of 38 px that a screen of 1080 px shows below Grafana's own head."""


def board_of(name: str) -> Json:
    loaded: Json = json.loads((generate.DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def all_panels(board: Json) -> Iterator[Json]:
    """Yield rows, panels, and the panels inside collapsed rows."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def drawn_panels(board: Json) -> list[Json]:
    return [panel for panel in all_panels(board) if panel["type"] != "row"]


def objects(tree: Any) -> Iterator[Json]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from objects(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from objects(value)


def test_committed_boards_are_what_the_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_generation_is_stable(tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in generate.write(tmp_path)}
    again = {path.name: path.read_bytes() for path in generate.write(tmp_path)}
    assert first == again


def test_check_tells_each_difference_and_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main(["--directory", str(tmp_path)]) == 0
    path = tmp_path / "qpu.json"
    board = json.loads(path.read_text(encoding="utf-8"))
    board["title"] = "Edited by hand"
    board["panels"][1]["gridPos"]["w"] = 7
    del board["uid"]
    path.write_text(json.dumps(board), encoding="utf-8")
    (tmp_path / "left_over.json").write_text("{}", encoding="utf-8")
    capsys.readouterr()

    assert generate.main(["--check", "--directory", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "qpu.json: panels[1].gridPos.w: committed 7, generated 3",
        "qpu.json: title: committed 'Edited by hand', generated 'QPU'",
        "qpu.json: uid: missing in the committed file",
        "left_over.json: no board makes this file",
        "run: make dashboards",
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [(None, "qpu.json: missing"), ("{", "qpu.json: is not JSON"), ("reformat", "only its formatting differs")],
)
def test_check_names_a_missing_broken_or_reformatted_file(
    content: str | None, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "qpu.json"
    if content == "reformat":
        path.write_text(json.dumps(generate.BOARDS["qpu"]()), encoding="utf-8")
    elif content is not None:
        path.write_text(content, encoding="utf-8")
    assert generate.main(["--check", "--directory", str(tmp_path)]) == 1
    assert line in capsys.readouterr().err


def test_uids_are_unique() -> None:
    uids = [board_of(name)["uid"] for name in BOARDS]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"qwatch-[a-z-]{1,33}", uid) for uid in uids)


@pytest.mark.parametrize("name", BOARDS)
def test_panel_ids_are_unique(name: str) -> None:
    ids = Counter(panel["id"] for panel in all_panels(board_of(name)))
    assert [panel_id for panel_id, count in ids.items() if count > 1 or not panel_id] == []


@pytest.mark.parametrize("name", BOARDS)
def test_panels_do_not_overlap_and_stay_in_the_grid(name: str) -> None:
    board = board_of(name)
    # The panels of a collapsed row lie where they would unfold, beneath it; they push the others down.
    for group in (board["panels"], *(row["panels"] for row in board["panels"] if row.get("panels"))):
        cells: Counter[tuple[int, int]] = Counter()
        for position in (panel["gridPos"] for panel in group):
            x, y, w, h = (position[side] for side in "xywh")
            assert x >= 0
            assert x + w <= GRID_COLUMNS
            cells.update(itertools.product(range(x, x + w), range(y, y + h)))
        assert not [cell for cell, count in cells.items() if count > 1]


@pytest.mark.parametrize("name", BOARDS)
def test_the_first_question_is_answered_without_scrolling(name: str) -> None:
    rows = [panel["gridPos"]["y"] for panel in board_of(name)["panels"] if panel["type"] == "row"]
    assert rows[0] == 0
    assert rows[1] <= FIRST_SCREEN


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_is_described_and_has_a_unit(name: str) -> None:
    for panel in drawn_panels(board_of(name)):
        assert panel["title"]
        assert len(panel["description"]) > 20, panel["title"]
        if panel["type"] != "logs" and panel["datasource"]["type"] != "tempo":
            defaults = panel["fieldConfig"]["defaults"]
            assert defaults["unit"], panel["title"]
            assert defaults["thresholds"]["steps"][0]["value"] is None, panel["title"]
            assert panel["interval"], panel["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_nothing_of_grafanas_past_is_left(name: str) -> None:
    board = board_of(name)
    assert board["schemaVersion"] == 39
    assert board["editable"] is True
    assert not LEGACY_PANELS & {panel["type"] for panel in all_panels(board)}
    for panel in drawn_panels(board):
        assert panel["pluginVersion"]
    for found in (board, *all_panels(board)):
        assert not LEGACY_FIELDS & set(found), found["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_data_sources_are_chosen_by_declared_variables(name: str) -> None:
    board = board_of(name)
    declared = {variable["name"]: variable for variable in board["templating"]["list"]}
    references = [found["datasource"] for found in objects(board) if "datasource" in found]
    assert references
    for reference in references:
        variable = declared[reference["uid"].removeprefix("${").removesuffix("}")]
        assert variable["type"] == "datasource"
        assert variable["query"] == reference["type"]


@pytest.mark.parametrize("name", BOARDS)
def test_every_variable_that_is_used_is_declared_and_the_reverse(name: str) -> None:
    board = board_of(name)
    declared = {variable["name"] for variable in board["templating"]["list"]}
    text = json.dumps({key: value for key, value in board.items() if key != "templating"})
    used = set(re.findall(r"\$\{?(\w+)", text))
    # $1 is what label_replace found.
    assert {name for name in used if not name.startswith("__") and not name.isdigit()} == declared


@pytest.mark.parametrize("name", BOARDS)
def test_no_scrape_job_or_instance_is_written_down(name: str) -> None:
    for found in objects(board_of(name)):
        assert not re.search(r'\b(job|instance)\s*[=!]~?\s*"', str(found.get("expr", "")))


@pytest.mark.parametrize("name", BOARDS)
def test_letters_of_targets_are_unique_within_a_panel(name: str) -> None:
    for panel in drawn_panels(board_of(name)):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)


@pytest.mark.parametrize(
    ("name", "title"),
    [("qpu", "Wait of started jobs"), ("my_jobs", "Wait by class"), ("my_jobs", "Run by class")],
)
def test_wait_and_run_have_exemplars(name: str, title: str) -> None:
    panel = next(p for p in drawn_panels(board_of(name)) if p["title"] == title)
    assert any(target["exemplar"] for target in panel["targets"])


def test_a_table_shows_the_named_columns_only_in_their_order() -> None:
    jobs = next(p for p in drawn_panels(board_of("my_jobs")) if p["title"] == "My jobs")
    *_, kept, organized = jobs["transformations"]
    order = organized["options"]["indexByName"]
    titles = [organized["options"]["renameByName"][field] for field in sorted(order, key=order.__getitem__)]
    assert titles == ["Accepted", "Job", "QPU", "Slurm job", "State", "Reason", "Shots", "Wait", "Run", "Trace"]
    assert set(kept["options"]["include"]["names"]) == set(order)


def test_every_query_for_own_jobs_asks_for_the_user() -> None:
    for panel in drawn_panels(board_of("my_jobs")):
        for target in panel["targets"]:
            if target["datasource"]["type"] == "loki":
                assert '| user != "" | user = "$user" |' in target["expr"], panel["title"]


def test_a_line_that_does_not_fill_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="fill 24 columns"):
        Line(4, ((12, None), (8, None)))


OF_PROGRAMS = {"Figures of merit of all programs, by OTLP", "Phases of all programs, by OTLP"}
"""Panels of what programs send themselves, with labels of their own."""
OF_ANY_SCALE = {"My figures of merit", "Figures of merit of all programs, by OTLP"}
"""Panels whose numbers may be of any size: decimals are left to Grafana."""


@pytest.mark.parametrize("name", BOARDS)
def test_every_number_has_decimals(name: str) -> None:
    for panel in drawn_panels(board_of(name)):
        of_text = panel["type"] == "logs" or panel["datasource"]["type"] == "tempo"
        if not of_text and panel["title"] not in OF_ANY_SCALE:
            assert "decimals" in panel["fieldConfig"]["defaults"], panel["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_a_panel_without_data_says_so_in_words(name: str) -> None:
    for panel in drawn_panels(board_of(name)):
        if panel["datasource"]["type"] == "prometheus":
            assert panel["fieldConfig"]["defaults"].get("noValue"), panel["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_the_first_row_asks_a_question_and_the_last_is_about_the_data(name: str) -> None:
    board = board_of(name)
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    assert all(row.endswith("?") for row in rows)
    assert board["description"].startswith(rows[0])
    assert rows[-1] == "How old and how complete is this data?"


@pytest.mark.parametrize("name", BOARDS)
def test_links_between_boards_keep_time_and_choice(name: str) -> None:
    board = board_of(name)
    (link,) = board["links"]
    assert link["tags"] == ["qwatch"]
    assert link["keepTime"]
    assert link["includeVars"]
    assert board["tags"][0] == "qwatch"
    assert set(board["tags"][1:]) <= {"user", "operator", "administrator"}
    assert len(board["tags"]) > 1


@pytest.mark.parametrize("name", BOARDS)
def test_what_changes_a_device_is_marked_on_the_time_axis(name: str) -> None:
    marked = [annotation["name"] for annotation in board_of(name)["annotations"]["list"]]
    assert marked == ["Alerts", "Maintenance", "Calibration", "Deployments"]


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_of_metrics_is_narrowed_to_the_chosen_cluster(name: str) -> None:
    for panel in drawn_panels(board_of(name)):
        if panel["title"] not in OF_PROGRAMS:
            for target in panel["targets"]:
                if target["datasource"]["type"] == "prometheus":
                    assert 'cluster=~"$cluster' in target["expr"], panel["title"]


def test_a_device_in_the_fleet_leads_to_its_board() -> None:
    panel = next(p for p in drawn_panels(board_of("fleet")) if p["title"] == "Every QPU")
    links = [value for value in objects(panel["fieldConfig"]) if "url" in value]
    (link,) = links
    assert link["url"].startswith(f"/d/{board_of('qpu')['uid']}?var-qpu_id=${{__value.text}}&")
    assert "${__url_time_range}" in link["url"]


@pytest.mark.parametrize("title", ["Waits", "Runs", "Turnarounds"])
def test_distributions_of_jobs_are_heatmaps_with_exemplars(title: str) -> None:
    panel = next(p for p in drawn_panels(board_of("queue_and_scheduling")) if p["title"] == title)
    assert panel["type"] == "heatmap"
    assert [(target["format"], target["exemplar"]) for target in panel["targets"]] == [("heatmap", True)]
