"""The kinds of variables at the head of a board, in the form that Grafana 11 and 12 write."""

from __future__ import annotations

from collections.abc import Sequence

from .grafana import DATA_SOURCE_VARIABLES, Json, Source, reference


def data_source_variable(source: Source, label: str) -> Json:
    """Let the reader choose among the data sources of one type; the first is taken."""
    return {
        "current": {},
        "hide": 0,
        "includeAll": False,
        "label": label,
        "multi": False,
        "name": DATA_SOURCE_VARIABLES[source],
        "options": [],
        "query": source,
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
        "type": "datasource",
    }


def query_variable(
    name: str, label: str, query: str, description: str, *, several: bool = False, every: str = ".+"
) -> Json:
    """Let the reader choose one of the values that a Prometheus query gives; ``several`` of them, or all."""
    return {
        **({"allValue": every} if several else {}),
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]} if several else {},
        "datasource": reference("prometheus"),
        "definition": query,
        "description": description,
        "hide": 0,
        "includeAll": several,
        "label": label,
        "multi": several,
        "name": name,
        "options": [],
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


def enumeration_variable(name: str, label: str, values: Sequence[str], description: str) -> Json:
    """Let the reader choose several of ``values``, or all."""
    every = {"selected": True, "text": "All", "value": "$__all"}
    return {
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "description": description,
        "hide": 0,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "options": [every, *({"selected": False, "text": value, "value": value} for value in values)],
        "query": ",".join(values),
        "skipUrlSync": False,
        "type": "custom",
    }


def custom_variable(name: str, label: str, values: Sequence[str], default: str, description: str) -> Json:
    """Let the reader choose one of ``values``."""
    return {
        "current": {"selected": True, "text": default, "value": default},
        "description": description,
        "hide": 0,
        "includeAll": False,
        "label": label,
        "multi": False,
        "name": name,
        "options": [{"selected": value == default, "text": value, "value": value} for value in values],
        "query": ",".join(values),
        "skipUrlSync": False,
        "type": "custom",
    }


def window_variable(name: str, label: str, least: str, choices: Sequence[str], description: str) -> Json:
    """Let the reader choose the window of averages; ``auto`` is a twelfth of the range, not below ``least``.

    A QPU ends tens of jobs an hour: the window of ``$__rate_interval`` would mostly hold none.
    """
    automatic = f"$__auto_interval_{name}"
    return {
        "auto": True,
        "auto_count": 12,
        "auto_min": least,
        "current": {"selected": True, "text": "auto", "value": automatic},
        "description": description,
        "hide": 0,
        "label": label,
        "name": name,
        "options": [
            {"selected": True, "text": "auto", "value": automatic},
            *({"selected": False, "text": choice, "value": choice} for choice in choices),
        ],
        "query": ",".join(choices),
        "refresh": 2,
        "skipUrlSync": False,
        "type": "interval",
    }


def text_variable(name: str, label: str, default: str, description: str) -> Json:
    """Let the reader type a text."""
    return {
        "current": {"selected": True, "text": default, "value": default},
        "description": description,
        "hide": 0,
        "label": label,
        "name": name,
        "options": [{"selected": True, "text": default, "value": default}],
        "query": default,
        "skipUrlSync": False,
        "type": "textbox",
    }
