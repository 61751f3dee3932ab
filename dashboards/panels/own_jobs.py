"""A user's own jobs, from log lines and traces: no metric knows whose a job is."""

from __future__ import annotations

import json
from urllib.parse import quote

from ...telemetry import attributes, labels, log_fields, logql
from ...telemetry.logql import Lines
from .. import palette
from ..grafana import Json, LokiTarget, Panel, TempoTarget
from ..panel_types import Column, Thresholds, logs, stat, table, time_series, traces
from .queue import WAIT_LIMITS

RANGE = "$__range"
STEP = "$__auto"
FINAL = tuple(state.upper() for state in labels.FINAL_JOB_STATES)
MOST_LINES = 1000
_NONE = "none in range"
NOTHING = "nothing in range – is your user name typed above?"
_TRACE = "trace_id"
_NO_REASON: list[Json] = [{"type": "value", "options": {"none": {"text": "–", "index": 0}}}]
_OPEN: list[Json] = [{"type": "regex", "options": {"pattern": ".+", "result": {"text": "open", "index": 0}}}]
_FAILED: Thresholds = ((None, palette.NEUTRAL), (0, palette.GOOD), (1, palette.BAD))


def ended(of: Lines) -> Lines:
    """Return the lines that tell the end of jobs."""
    return of.one_of(log_fields.STATE, FINAL)


def how_many(of: Lines) -> Panel:
    """Say how many of the user's jobs ended."""
    return stat(
        "My jobs ended",
        "My jobs that ended in the board's time range: done, canceled or failed. With no user typed above, "
        "none are mine.",
        "short",
        LokiTarget(logql.counted(ended(of), RANGE), instant=True),
        decimals=0,
        none=_NONE,
    )


def failed(of: Lines) -> Panel:
    """Say how many of the user's jobs failed."""
    errors = of.where(log_fields.STATE, "=", "ERROR")
    return stat(
        "Failed",
        "My jobs that ended in ERROR in the board's time range. Why: the table, and My errors below.",
        "short",
        # 0 only where jobs ended: a mistyped user has no good news.
        LokiTarget(
            f"{logql.counted(errors, RANGE)} or {logql.counted(ended(of), RANGE)} * 0",
            instant=True,
        ),
        decimals=0,
        limits=_FAILED,
        none=_NONE,
    )


def median_wait(of: Lines) -> Panel:
    """Say how long the user's jobs waited."""
    return stat(
        "Wait, median",
        "Half of my jobs that ended in the board's time range waited less, from creation to first start.",
        "s",
        LokiTarget(logql.quantile(0.5, ended(of), log_fields.WAIT_SECONDS, RANGE), instant=True),
        decimals=1,
        limits=WAIT_LIMITS,
        none=_NONE,
    )


def median_run(of: Lines) -> Panel:
    """Say how long the user's jobs ran."""
    return stat(
        "Run, median",
        "Half of my jobs that ended in the board's time range ran less, from first start to end.",
        "s",
        LokiTarget(logql.quantile(0.5, ended(of), log_fields.RUN_SECONDS, RANGE), instant=True),
        decimals=1,
        none=_NONE,
    )


def device_time(of: Lines) -> Panel:
    """Say how much time of a device the user's jobs took."""
    return stat(
        "QPU time",
        "Busy time of QPUs with my jobs that ended in the board's time range: what the centre accounts.",
        "s",
        LokiTarget(logql.total(ended(of), log_fields.SECONDS, RANGE), instant=True),
        decimals=1,
        none=_NONE,
    )


def _trace_link() -> Json:
    query = {"refId": "A", "queryType": "traceql", "query": "${__value.raw}"}
    pane = {
        "datasource": "${tempo}",
        "queries": [query | {"datasource": {"type": "tempo", "uid": "${tempo}"}}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    panes = quote(json.dumps({"job": pane}, separators=(",", ":")), safe="${}_.:,[]")
    return {"title": "Open the trace", "url": f"/explore?schemaVersion=1&panes={panes}", "targetBlank": True}


def jobs(of: Lines) -> Panel:
    """List the user's jobs, newest first: what became of each, its wait and run."""
    told = {
        "Time": "last",
        log_fields.SLURM_JOB_ID: "firstNotNull",
        log_fields.STATE: "first",
        log_fields.REASON: "first",
        log_fields.SHOTS: "first",
        log_fields.WAIT_SECONDS: "firstNotNull",
        log_fields.RUN_SECONDS: "firstNotNull",
        _TRACE: "firstNotNull",
    }
    numbers = (log_fields.SHOTS, log_fields.WAIT_SECONDS, log_fields.RUN_SECONDS)

    def field(name: str) -> str:
        return f"{name} ({told[name]})"

    return table(
        "My jobs",
        "One row a job, from its log lines: accepted, started, ended. Wait: from creation to first start. Run: "
        "from first start to end. The last column opens its trace. At most "
        f"{MOST_LINES} lines, three a job; a job accepted before the time range shows its first line in it.",
        LokiTarget(str(of.having(log_fields.JOB).having(log_fields.STATE)), most_lines=MOST_LINES),
        # Three lines a job become one row, the newest telling the state.
        prepared=(
            {"id": "extractFields", "options": {"source": "labels", "keepTime": True, "replace": True}},
            {
                "id": "convertFieldType",
                "options": {
                    "conversions": [{"targetField": name, "destinationType": "number"} for name in numbers],
                    "fields": {},
                },
            },
            {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": "Time", "desc": True}]}},
            {
                "id": "groupBy",
                "options": {
                    "fields": {
                        **{
                            name: {"aggregations": [], "operation": "groupby"}
                            for name in (log_fields.JOB, log_fields.QPU_ID)
                        },
                        **{
                            name: {"aggregations": [how], "operation": "aggregate"}
                            for name, how in told.items()
                        },
                    }
                },
            },
        ),
        columns=(
            Column(field("Time"), "Accepted", "time:MM-DD HH:mm:ss", width=125),
            Column(log_fields.JOB, "Job", width=60),
            Column(log_fields.QPU_ID, "QPU"),
            Column(field(log_fields.SLURM_JOB_ID), "Slurm job", width=100),
            Column(field(log_fields.STATE), "State", words=palette.JOB_STATE_WORDS, width=90),
            Column(field(log_fields.REASON), "Reason", words=_NO_REASON, width=105),
            Column(field(log_fields.SHOTS), "Shots", "none", width=60),
            Column(field(log_fields.WAIT_SECONDS), "Wait", "s", decimals=1, limits=WAIT_LIMITS, width=70),
            Column(field(log_fields.RUN_SECONDS), "Run", "s", decimals=1, width=70),
            Column(field(_TRACE), "Trace", words=_OPEN, link=_trace_link(), width=60),
        ),
        newest_first="Accepted",
        none=NOTHING,
    )


def wait_and_run(of: Lines) -> Panel:
    """Draw wait and run of the user's jobs as they ended."""
    lines = ended(of)
    return time_series(
        "My wait and run",
        "The longest wait and the longest run among my jobs that ended in each step of the time axis; "
        "compare with the two panels beside it, which are of everybody's jobs.",
        "s",
        LokiTarget(logql.greatest(lines, log_fields.WAIT_SECONDS, STEP), "wait"),
        LokiTarget(logql.greatest(lines, log_fields.RUN_SECONDS, STEP), "run"),
        decimals=1,
        fill=0,
        points=True,
        logarithmic=True,
        none=NOTHING,
        overrides=palette.coloured_as({"wait": "orange", "run": "green"}),
    )


def errors(of: Lines) -> Panel:
    """Show what went wrong with the user's jobs."""
    return logs(
        "My errors",
        "Jobs of mine that ended in ERROR with the message of the QPU or of qwatch, and sessions in which "
        "calls of the QRMI library failed. Expand a line for job, reason and trace.",
        LokiTarget(f'{of} | {log_fields.STATE} = "ERROR" or {log_fields.ERRORS} > 0'),
    )


def log_lines(of: Lines) -> Panel:
    """Show all that was logged of the user's jobs and sessions."""
    return logs(
        "My log lines",
        "All that qwatch logged of my sessions, jobs and what my programs annotated; job, Slurm job and trace "
        "are in each line's details.",
        LokiTarget(str(of)),
    )


def slurm_traces(qpu_id: str, slurm_job_id: str) -> Panel:
    """List the traces of one Slurm job; spans tell no user."""
    of_job = f'span.{attributes.SLURM_JOB_ID} =~ "{slurm_job_id}"'
    return traces(
        "Traces of the Slurm job",
        "Traces with a job on the QPU, of the Slurm job typed above. Spans do not tell the user: with any "
        "Slurm job (.*) these are everybody's; My jobs links each of mine. A row opens its trace.",
        TempoTarget(f'{{ span.{attributes.QPU_ID} =~ "{qpu_id}" && {of_job} }}'),
    )


def newest_line(of: Lines) -> Panel:
    """Say when the newest log line of the user was written."""
    return stat(
        "My newest log line",
        "When qwatch last logged something of mine, in the board's time range. Older than my last job: "
        "log lines are late or lost, see Telemetry dropped.",
        "dateTimeFromNow",
        LokiTarget(logql.newest(of, RANGE), instant=True),
        decimals=0,
        none=_NONE,
    )
