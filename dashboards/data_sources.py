"""Grafana's data sources with their cross-links, and where it finds the boards: what a site provisions.

From an exemplar to its trace, from a trace to its log lines and to its device's metrics, from a log line to its
trace. Addresses are those of one machine; a site puts its own there.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from ..telemetry import attributes, device_metrics, job_metrics, labels, log_fields
from .grafana import DATA_SOURCE_VARIABLES, MINIMUM_INTERVAL, TAG, Json, Source

HEADER = "# Made from dashboards/data_sources.py by `make dashboards`; change it there.\n"
UIDS: dict[Source, str] = {source: f"{TAG}-{source}" for source in DATA_SOURCE_VARIABLES}
ADDRESSES: dict[Source, str] = {
    "prometheus": "http://localhost:9090",
    "loki": "http://localhost:3100",
    "tempo": "http://localhost:3200",
}
VARIABLES: dict[Source, str] = {source: f"$QWATCH_{source.upper()}_URL" for source in ADDRESSES}
"""Environment variables of Grafana's process, for a stack that chooses its addresses when it starts."""
TRACE_ID = "trace_id"
"""Label of an exemplar, and structured metadata of a log line."""
AROUND = "5m"
"""Log lines are looked for this long before and after a span: queue and run end in other processes."""
BOARDS_FOLDER = "/var/lib/grafana/dashboards/qwatch"
BOARDS_VARIABLE = "$QWATCH_BOARDS"
STACK = "stack"
"""Subfolder of the files with variables in place of addresses."""


def data_sources(addresses: Mapping[Source, str] = ADDRESSES) -> Json:
    """Return the data sources as Grafana's provisioning reads them."""
    return {
        "apiVersion": 1,
        "datasources": [
            _source("prometheus", "Prometheus", addresses, _prometheus()),
            _source("loki", "Loki", addresses, _loki()),
            _source("tempo", "Tempo", addresses, _tempo()),
        ],
    }


def boards(folder: str = BOARDS_FOLDER) -> Json:
    """Return where Grafana finds the boards."""
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": TAG,
                "folder": TAG,
                "type": "file",
                "allowUiUpdates": False,
                "disableDeletion": True,
                "updateIntervalSeconds": 60,
                "options": {"path": folder, "foldersFromFilesStructure": False},
            }
        ],
    }


def files() -> dict[str, str]:
    """Return the provisioning files by name."""
    return {
        "datasources.yaml": _text(data_sources()),
        "dashboards.yaml": _text(boards()),
        f"{STACK}/datasources.yaml": _text(data_sources(VARIABLES)),
        f"{STACK}/dashboards.yaml": _text(boards(BOARDS_VARIABLE)),
    }


def _source(kind: Source, name: str, addresses: Mapping[Source, str], settings: Json) -> Json:
    return {
        "name": name,
        "uid": UIDS[kind],
        "type": kind,
        "access": "proxy",
        "url": addresses[kind],
        "isDefault": kind == "prometheus",
        "jsonData": settings,
    }


def _prometheus() -> Json:
    return {
        "httpMethod": "POST",
        # What the scrape interval is: $__rate_interval and the least step hang on it.
        "timeInterval": MINIMUM_INTERVAL,
        "exemplarTraceIdDestinations": [{"name": TRACE_ID, "datasourceUid": UIDS["tempo"]}],
    }


def _loki() -> Json:
    return {
        "maxLines": 1000,
        "derivedFields": [
            {
                "name": "Trace",
                "matcherType": "label",
                "matcherRegex": TRACE_ID,
                # A dollar sign is doubled, or Grafana takes it for a variable of its environment.
                "url": "$${__value.raw}",
                "urlDisplayLabel": "Open the trace",
                "datasourceUid": UIDS["tempo"],
            }
        ],
    }


def _tempo() -> Json:
    device = f'{labels.QPU_ID.name}="$${{__span.tags["{attributes.QPU_ID}"]}}"'
    activity = device_metrics.ACTIVITY.prometheus_name
    window = "$$__rate_interval"
    wait = f"{job_metrics.WAIT.prometheus_name}_bucket"
    return {
        "tracesToLogsV2": {
            "datasourceUid": UIDS["loki"],
            "spanStartTimeShift": f"-{AROUND}",
            "spanEndTimeShift": AROUND,
            "filterByTraceID": False,
            "filterBySpanID": False,
            "customQuery": True,
            "query": f'{{{log_fields.STREAM_LABELS[0]}=~".+"}} | {TRACE_ID}="$${{__trace.traceId}}"',
        },
        "tracesToMetrics": {
            "datasourceUid": UIDS["prometheus"],
            "spanStartTimeShift": f"-{AROUND}",
            "spanEndTimeShift": AROUND,
            "queries": [
                {"name": "What the QPU did", "query": f"{activity}{{{device}}} == 1"},
                {
                    "name": "How long others waited (p90)",
                    "query": f"histogram_quantile(0.9, sum by (le) (rate({wait}{{{device}}}[{window}])))",
                },
            ],
        },
        "nodeGraph": {"enabled": True},
        "traceQuery": {"timeShiftEnabled": True, "spanStartTimeShift": "-1h", "spanEndTimeShift": "1h"},
    }


def _text(content: Json) -> str:
    return HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=200)
