"""The provisioned data sources link exemplars, traces and log lines to each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from qwatch.dashboards import data_sources, generate
from qwatch.dashboards.grafana import DATA_SOURCE_VARIABLES
from qwatch.scheduler.jobs import Job
from qwatch.scheduler.outcome import exemplar
from qwatch.telemetry import attributes
from qwatch.telemetry.catalogue import by_prometheus_name

Json = dict[str, Any]


@pytest.fixture(scope="module")
def sources() -> dict[str, Json]:
    """The committed data sources by type."""
    text = (generate.PROVISIONING / "datasources.yaml").read_text(encoding="utf-8")
    return {source["type"]: source for source in yaml.safe_load(text)["datasources"]}


def strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for value in tree.values():
            yield from strings(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from strings(value)
    elif isinstance(tree, str):
        yield tree


def test_committed_files_are_what_the_code_makes() -> None:
    assert list(generate.check_provisioning()) == []
    found = {str(path.relative_to(generate.PROVISIONING)) for path in generate.PROVISIONING.rglob("*.yaml")}
    assert found == set(data_sources.files())


def test_there_is_a_source_for_every_variable_of_the_boards(sources: dict[str, Json]) -> None:
    assert sources.keys() == DATA_SOURCE_VARIABLES.keys()
    uids = [source["uid"] for source in sources.values()]
    assert len(set(uids)) == len(uids)
    assert [source["type"] for source in sources.values() if source["isDefault"]] == ["prometheus"]


def test_every_link_leads_to_a_provisioned_source(sources: dict[str, Json]) -> None:
    uids = {source["uid"] for source in sources.values()}
    named = re.findall(r'"datasourceUid": "([^"]+)"', json.dumps(sources))
    assert len(named) == 4
    assert set(named) <= uids


def test_from_an_exemplar_to_its_trace(sources: dict[str, Json]) -> None:
    (destination,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    traced = SimpleNamespace(trace_id="1" * 32, traceparent=f"00-{'1' * 32}-{'2' * 16}-01")
    assert destination["name"] in (exemplar(cast(Job, traced)) or {})
    assert destination["datasourceUid"] == sources["tempo"]["uid"]


def test_from_a_log_line_to_its_trace(sources: dict[str, Json]) -> None:
    (field,) = sources["loki"]["jsonData"]["derivedFields"]
    assert field["matcherType"] == "label"
    assert re.fullmatch(field["matcherRegex"], "trace_id")
    assert field["datasourceUid"] == sources["tempo"]["uid"]


def test_from_a_trace_to_its_log_lines(sources: dict[str, Json]) -> None:
    link = sources["tempo"]["jsonData"]["tracesToLogsV2"]
    assert link["datasourceUid"] == sources["loki"]["uid"]
    assert '| trace_id="$${__trace.traceId}"' in link["query"]


def test_from_a_trace_to_metrics_that_exist(sources: dict[str, Json]) -> None:
    link = sources["tempo"]["jsonData"]["tracesToMetrics"]
    assert link["datasourceUid"] == sources["prometheus"]["uid"]
    known = by_prometheus_name()
    for query in link["queries"]:
        (name,) = re.findall(r"(\w+)\{", query["query"])
        assert name.removesuffix("_bucket") in known
        assert attributes.QPU_ID in query["query"]


def test_no_dollar_sign_is_taken_for_a_variable_of_the_environment(sources: dict[str, Json]) -> None:
    for text in strings(sources):
        assert not re.search(r"(?<!\$)\$(?!\$)", text.replace("$$", "")), text


def test_the_folder_of_the_boards_is_read() -> None:
    text = (generate.PROVISIONING / "dashboards.yaml").read_text(encoding="utf-8")
    (provider,) = yaml.safe_load(text)["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"].startswith("/")
