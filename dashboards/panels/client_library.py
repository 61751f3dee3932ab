"""The QRMI library in users' processes, as the summaries of their sessions tell."""

from __future__ import annotations

from ...telemetry import client_metrics as client
from ...telemetry.promql import Matches, rate, recorded
from ..grafana import Panel, PrometheusTarget
from ..panel_types import NONE_OR_NOT_TOLD, time_series


def calls(site: Matches) -> Panel:
    """Draw the calls of the QRMI library in users' processes."""
    return time_series(
        "QRMI calls of users' programs",
        "Calls of the QRMI library a second by operation, as the sessions' summaries tell when they end.",
        "suffix:/s",
        PrometheusTarget(
            rate(client.CALLS, site, "$__rate_interval", ("operation",)) + " > 0", "{{operation}}"
        ),
        decimals=2,
        stacked=True,
        legend="right",
        legend_values=("max",),
        none=NONE_OR_NOT_TOLD,
    )


def errors(site: Matches, window: str) -> Panel:
    """Draw which share of the QRMI library's calls fails."""
    every = rate(client.CALLS, site, window)
    failed = (
        f"sum by (error_type) (rate({recorded(client.CALLS.prometheus_name, site)[:-1]}"
        f',error_type!=""}}[{window}]))'
    )
    return time_series(
        "QRMI errors of users' programs",
        "Share of the QRMI library's calls that failed, by class of error, over the window. QRMIErrorRateHigh "
        "watches their sum.",
        "percentunit",
        PrometheusTarget(f"{failed} / on () group_left () ({every} > 0)", "{{error_type}}"),
        decimals=1,
        stacked=True,
        soft_maximum=0.01,
        legend="right",
        legend_values=("max",),
        none="no errors, or not told by this source",
    )
