"""How well a device works: qualities, their uncertainty and limits, drift, and the jobs that measure them."""

from __future__ import annotations

from collections.abc import Sequence

from ...telemetry import quality_metrics as quality
from ...telemetry.catalogue import Metric
from ...telemetry.promql import Matches, age, increase, quantile, select
from .. import palette
from ..grafana import Json, Panel, PrometheusTarget
from ..panel_types import NONE_OR_NOT_TOLD, Thresholds, stat, time_series

RANGE = "$__range"
STALE: Thresholds = (
    (None, palette.NEUTRAL),
    (0, palette.GOOD),
    (6 * 3600, palette.WARNING),
    (24 * 3600, palette.BAD),
)
"""Quality of yesterday says little about the jobs of today."""
NOT_MEASURED = "not measured: no quality job ran, and no feed tells it"
_DAY = "1d"
_WEEK = "7d"


def _band(legend: str) -> list[Json]:
    """Return the overrides that draw one standard deviation around a line as thin lines of its colour."""
    return [
        {
            "matcher": {"id": "byRegexp", "options": f"/{legend}/"},
            "properties": [
                {"id": "custom.lineStyle", "value": {"fill": "dot", "dash": [1, 4]}},
                {"id": "custom.fillOpacity", "value": 0},
                {"id": "custom.hideFrom", "value": {"legend": True, "tooltip": True, "viz": False}},
            ],
        }
    ]


def _measured(metric: Metric, of: Matches, label: str = "") -> list[PrometheusTarget]:
    """Return a quality over time, and one standard deviation above and below it."""
    by = f" by ({label})" if label else ""
    value = f"avg{by} ({select(metric, of)})"
    deviation = f"avg{by} ({select(quality.UNCERTAINTY[metric.name], of)})"
    name = f"{{{{{label}}}}}" if label else "measured"
    return [
        PrometheusTarget(value, name),
        PrometheusTarget(f"{value} + {deviation}", f"{name} + 1σ"),
        PrometheusTarget(f"{value} - {deviation}", f"{name} - 1σ"),
    ]


def _drawn(
    title: str,
    description: str,
    unit: str,
    metric: Metric,
    of: Matches,
    label: str = "",
    *,
    decimals: int,
    more: Sequence[PrometheusTarget] = (),
    minimum: int | None = 0,
    maximum: int | None = None,
    overrides: Sequence[Json] = (),
    limits: Thresholds | None = None,
) -> Panel:
    return time_series(
        title,
        f"{description} Dotted: one standard deviation.",
        unit,
        *_measured(metric, of, label),
        *more,
        decimals=decimals,
        minimum=minimum,
        maximum=maximum,
        fill=0,
        step=True,
        limits=limits or ((None, palette.NEUTRAL),),
        show_limits=limits is not None,
        overrides=[*_band("σ$"), *overrides],
        none=NOT_MEASURED,
    )


def newest(of: Matches) -> Panel:
    """Say how old the newest quality sample is."""
    return stat(
        "Quality measured",
        "How long ago the newest quality sample was taken, by a quality job or by the device's own feed. What "
        "is older than a day says little about today's jobs.",
        "s",
        PrometheusTarget(f"time() - max({select(quality.SAMPLE_TIMESTAMP, of)})", instant=True),
        decimals=0,
        limits=STALE,
        none="never",
    )


def worst_fidelity(of: Matches) -> Panel:
    """Say how near to the truth the worst benchmark is."""
    return stat(
        "Benchmark fidelity",
        "Classical fidelity of a benchmark's measured distribution with the exact one, of the worst benchmark.",
        "percentunit",
        PrometheusTarget(f"min({select(quality.BENCHMARK_FIDELITY, of)})", instant=True),
        decimals=1,
        limits=((None, palette.NEUTRAL), (0, palette.BAD), (0.8, palette.WARNING), (0.9, palette.GOOD)),
        none="not measured",
    )


def rabi_now(of: Matches) -> Panel:
    """Say by how much the Rabi frequency is off."""
    return stat(
        "Rabi deviation",
        "Measured Rabi frequency / nominal - 1, of the channel where it is farthest off, without its sign.",
        "percentunit",
        PrometheusTarget(f"max(abs({select(quality.RABI_DEVIATION, of)}))", instant=True),
        decimals=2,
        limits=((None, palette.NEUTRAL), (0, palette.GOOD), (0.03, palette.WARNING), (0.1, palette.BAD)),
        none="not measured",
    )


def readout_now(of: Matches) -> Panel:
    """Say how the readout error compares with the specification."""
    measured, specified = (
        f"max by (kind) ({select(metric, of)})"
        for metric in (quality.READOUT_ERROR, quality.READOUT_ERROR_SPEC)
    )
    return stat(
        "Readout against spec.",
        "Measured readout error / the one that the device is specified for, of the worse kind. Above 1 the "
        "device is out of its specification.",
        "suffix:×",
        PrometheusTarget(f"max({measured} / ({specified} > 0))", instant=True),
        decimals=2,
        limits=((None, palette.NEUTRAL), (0, palette.GOOD), (1, palette.WARNING), (2, palette.BAD)),
        none="not measured",
    )


def probe_now(of: Matches) -> Panel:
    """Say when a quality job last succeeded."""
    return stat(
        "Last good probe",
        "How long ago a quality job went through queue, device and fit and succeeded: the end-to-end proof.",
        "s",
        PrometheusTarget(age(quality.PROBE_LAST_SUCCESS, of), instant=True),
        decimals=0,
        limits=STALE,
        none="never",
    )


def fidelity(of: Matches) -> Panel:
    """Draw the fidelity of the benchmarks."""
    return _drawn(
        "Benchmark fidelity",
        "Classical fidelity of measured distributions with the exact ones: the quality that a user would see.",
        "percentunit",
        quality.BENCHMARK_FIDELITY,
        of,
        "benchmark",
        decimals=1,
        minimum=None,
        maximum=1,
    )


def rabi(of: Matches) -> Panel:
    """Draw by how much the Rabi frequency is off, and how it drifts."""
    deviation = select(quality.RABI_DEVIATION, of)
    week = f"avg by (channel) (avg_over_time({select(quality.RABI_DEVIATION, of, _WEEK)}))"
    return _drawn(
        "Rabi frequency deviation",
        "Measured Rabi frequency / nominal - 1, by channel; dashed: its mean of the last seven days. Away from "
        "its week by more than its uncertainty: it drifts.",
        "percentunit",
        quality.RABI_DEVIATION,
        of,
        "channel",
        decimals=2,
        minimum=None,
        more=(PrometheusTarget(f"{week} and on (channel) {deviation}", "{{channel}}, 7 d mean"),),
        overrides=[_dashed("7 d mean$")],
    )


def detuning(of: Matches) -> Panel:
    """Draw the offset of the detuning."""
    return _drawn(
        "Detuning offset",
        "Measured detuning minus the one that was asked for, by channel.",
        "hertz",
        quality.DETUNING_OFFSET,
        of,
        "channel",
        decimals=1,
        minimum=None,
    )


def readout(of: Matches) -> Panel:
    """Draw the readout errors against their specification."""
    return _drawn(
        "Readout error",
        "Probability that a 0 is read as 1 (false positive) or a 1 as 0 (false negative); dashed: what the "
        "device is specified for.",
        "percentunit",
        quality.READOUT_ERROR,
        of,
        "kind",
        decimals=2,
        more=(
            PrometheusTarget(
                f"avg by (kind) ({select(quality.READOUT_ERROR_SPEC, of)})", "{{kind}}, specified"
            ),
        ),
        overrides=[_dashed("specified$")],
    )


def register(of: Matches) -> Panel:
    """Draw how full registers are, and how well they are prepared."""
    return time_series(
        "Register fill and preparation",
        "Share of the traps of registers that hold an atom, and of atoms that begin in the right state.",
        "percentunit",
        PrometheusTarget(f"avg({select(quality.REGISTER_FILL, of)})", "filled"),
        PrometheusTarget(f"1 - avg({select(quality.STATE_PREPARATION_ERROR, of)})", "prepared"),
        decimals=2,
        minimum=None,
        maximum=1,
        fill=0,
        step=True,
        none=NOT_MEASURED,
    )


def coherence(of: Matches) -> Panel:
    """Draw the coherence times."""
    return _drawn(
        "Coherence time",
        "Relaxation (t1) and dephasing (t2): sequences far longer than these measure noise.",
        "s",
        quality.COHERENCE_TIME,
        of,
        "kind",
        decimals=1,
    )


def probes(of: Matches) -> Panel:
    """Draw how quality jobs end."""
    return time_series(
        "Quality jobs",
        "Quality jobs in the day before each point, by how they ended. preempted: a user's job came first, as "
        "it should.",
        "short",
        PrometheusTarget(increase(quality.PROBE_RUNS, of, _DAY, ("result",)), "{{result}}"),
        decimals=0,
        stacked=True,
        overrides=palette.coloured_as(
            {"success": "green", "failure": "red", "timeout": "orange", "preempted": "yellow"}
        ),
    )


def probe_durations(of: Matches) -> Panel:
    """Draw how long quality jobs take."""
    return time_series(
        "Duration of quality jobs",
        "From the submission of a quality job to its results, where it succeeded, in the last day.",
        "s",
        *(
            PrometheusTarget(quantile(share, quality.PROBE_DURATION, of, _DAY), name)
            for name, share in (("p50", 0.5), ("p90", 0.9))
        ),
        decimals=1,
        fill=0,
        overrides=palette.coloured_as(palette.QUANTILE_COLOURS),
        none=NONE_OR_NOT_TOLD,
    )


def rabi_frequency(of: Matches) -> Panel:
    """Draw the Rabi frequency itself."""
    return _drawn(
        "Rabi frequency",
        "Rabi frequency that was measured at the nominal amplitude of a scan.",
        "hertz",
        quality.RABI_FREQUENCY,
        of,
        "channel",
        decimals=3,
        minimum=None,
    )


def sample_ages(of: Matches) -> Panel:
    """Draw how old the samples of each source are."""
    return time_series(
        "Age of quality samples",
        "How old the newest sample of each source is: of quality jobs, and of each feed. A tooth a sample.",
        "s",
        PrometheusTarget(f"time() - max by (source) ({select(quality.SAMPLE_TIMESTAMP, of)})", "{{source}}"),
        decimals=0,
        fill=0,
        none=NOT_MEASURED,
    )


def feed(of: Matches) -> Panel:
    """Say whether the device's own feed is read."""
    return stat(
        "Quality feed",
        "Whether the device's own feed of quality was read and understood the last time.",
        "none",
        PrometheusTarget(f"min({select(quality.FEED_SUCCESS, of)})", instant=True),
        decimals=0,
        words=palette.yes_or_no("read", "fails"),
        none="no feed",
    )


def _dashed(legend: str) -> Json:
    return {
        "matcher": {"id": "byRegexp", "options": f"/{legend}/"},
        "properties": [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}}],
    }
