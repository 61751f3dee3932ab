"""A report as flat tables: one row a thing, one column a figure, for spreadsheets and terminals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields

from .model import Breakdown, Group, Report, TimePartition

Cell = str | int | float | None
Row = dict[str, Cell]


def _summary(report: Report) -> Iterator[Row]:
    yield {
        "site": report.site,
        "period": report.period.label,
        "begin": report.period.begin,
        "end": report.period.end,
        "timezone": report.period.timezone,
        "previous": report.previous.label,
        "jobs": report.jobs,
        "possible_doubles": report.possible_doubles,
        "sources": " ".join(report.sources),
        "made_at": report.made_at,
        "version": report.version,
    }


def _coverage(report: Report) -> Iterator[Row]:
    for covered in report.coverage:
        row: Row = {
            "device": covered.qpu_id,
            "covered_seconds": covered.covered_seconds,
            "ratio": covered.ratio,
            "gaps": len(covered.gaps) + covered.gaps_left_out,
        }
        for difference in covered.differences or ():
            row[f"difference_{difference.activity}_seconds"] = difference.seconds
        yield row


def _gaps(report: Report) -> Iterator[Row]:
    for covered in report.coverage:
        for gap in covered.gaps:
            yield {"device": covered.qpu_id, "begin": gap.begin, "end": gap.end, "reason": gap.reason}


def _time(report: Report) -> Iterator[Row]:
    for device in report.devices:
        row: Row = {"device": device.qpu_id}
        yield row | _partition(device.time)


def _partition(time: TimePartition) -> Row:
    row: Row = {"wall_seconds": time.wall_seconds}
    row |= {f"{activity}_seconds": seconds for activity, seconds in time.seconds.items()}
    return row | {
        "utilization": time.utilization,
        "utilization_of_available": time.utilization_of_available,
        "dispatch_efficiency": time.dispatch_efficiency,
    }


def _days(report: Report) -> Iterator[Row]:
    for device in report.devices:
        for day in device.days:
            row: Row = {"device": device.qpu_id, "date": day.date, "begin": day.begin, "end": day.end}
            row |= {f"{activity}_seconds": spent for activity, spent in day.seconds.items()}
            yield row | {"jobs": day.jobs}


def _heatmap(report: Report) -> Iterator[Row]:
    for device in report.devices:
        for weekday, hours in enumerate(device.heatmap):
            for hour, utilization in enumerate(hours):
                yield {
                    "device": device.qpu_id,
                    "weekday": weekday + 1,
                    "hour": hour,
                    "utilization": utilization,
                }


def _availability(report: Report) -> Iterator[Row]:
    for device in report.devices:
        found = device.availability
        yield {
            "device": device.qpu_id,
            "availability": found.ratio,
            "target": found.target,
            "incidents": len(found.incidents),
            "mean_time_between_failures": found.mean_time_between_failures,
            "mean_time_to_repair": found.mean_time_to_repair,
        }


def _incidents(report: Report) -> Iterator[Row]:
    for device in report.devices:
        for incident in device.availability.incidents:
            yield {
                "device": incident.qpu_id,
                "begin": incident.begin,
                "end": incident.end,
                "seconds": incident.seconds,
                "cause": incident.cause,
            }


def _windows(report: Report) -> Iterator[Row]:
    for device in report.devices:
        for window in device.windows:
            yield {"device": device.qpu_id} | {
                field.name: getattr(window, field.name) for field in fields(window)
            }


def _shots(report: Report) -> Iterator[Row]:
    for device in report.devices:
        yield {"device": device.qpu_id} | {
            field.name: getattr(device.shots, field.name) for field in fields(device.shots)
        }


def _quality(report: Report) -> Iterator[Row]:
    for device in report.devices:
        for series in device.quality:
            yield {
                "device": device.qpu_id,
                "metric": series.metric,
                "labels": " ".join(f"{name}={value}" for name, value in series.labels.items()),
                "source": series.source,
                "unit": series.unit,
                "count": series.count,
                "first": series.first,
                "last": series.last,
                "least": series.least,
                "greatest": series.greatest,
                "mean": series.mean,
            }


def _endings(report: Report) -> Iterator[Row]:
    for ending in report.endings:
        yield {"state": ending.state, "reason": ending.reason, "jobs": ending.jobs, "share": ending.share}


def _classes(report: Report) -> Iterator[Row]:
    for part in report.classes:
        row: Row = {"class": part.job_class, "jobs": part.jobs}
        for measure in ("wait", "run", "turnaround"):
            quantiles = getattr(part, measure)
            row |= {f"{measure}_{field.name}": getattr(quantiles, field.name) for field in fields(quantiles)}
        yield row | {
            "objective_within": part.objective_within,
            "objective_ratio": part.objective_ratio,
            "met_ratio": part.met_ratio,
            "met": None if part.met is None else int(part.met),
        }


def _groups(found: Breakdown) -> Iterator[Row]:
    for group in [*found.groups, *([] if found.others is None else [found.others])]:
        row: Row = {field.name: getattr(group, field.name) for field in fields(Group)}
        yield {found.by: row.pop("name")} | row


def _sessions(report: Report) -> Iterator[Row]:
    for use in report.sessions.least_efficient:
        yield {field.name: getattr(use, field.name) for field in fields(use)}


def _trends(report: Report) -> Iterator[Row]:
    for trend in report.trends:
        yield {
            "name": trend.name,
            "unit": trend.unit,
            "now": trend.now,
            "before": trend.before,
            "change": trend.change,
        }


def _anomalies(report: Report) -> Iterator[Row]:
    for anomaly in report.anomalies:
        yield {field.name: getattr(anomaly, field.name) for field in fields(anomaly)}


def _statements(report: Report) -> Iterator[Row]:
    for statement in report.statements or ():
        for line in statement.lines:
            yield {
                "account": statement.account,
                "line": line.job_class,
                "jobs": line.jobs,
                "busy_seconds": line.busy_seconds,
                "rate": line.rate,
                "cost": line.cost,
                "currency": statement.currency,
                "reason": "",
            }
        for correction in statement.corrections:
            yield {
                "account": statement.account,
                "line": f"correction {correction.number}",
                "jobs": None,
                "busy_seconds": correction.busy_seconds,
                "rate": None,
                "cost": correction.cost,
                "currency": statement.currency,
                "reason": correction.reason,
            }
        yield {
            "account": statement.account,
            "line": "total",
            "jobs": sum(line.jobs for line in statement.lines),
            "busy_seconds": statement.busy_seconds,
            "rate": None,
            "cost": statement.total,
            "currency": statement.currency,
            "reason": "",
        }


TABLES: Mapping[str, Callable[[Report], Iterator[Row]]] = {
    "summary": _summary,
    "coverage": _coverage,
    "gaps": _gaps,
    "time": _time,
    "days": _days,
    "heatmap": _heatmap,
    "availability": _availability,
    "incidents": _incidents,
    "windows": _windows,
    "shots": _shots,
    "quality": _quality,
    "endings": _endings,
    "classes": _classes,
    "breakdown": lambda report: _groups(report.breakdown),
    "users": lambda report: _groups(report.top_users),
    "accounts": lambda report: _groups(report.top_accounts),
    "sessions": _sessions,
    "trends": _trends,
    "anomalies": _anomalies,
    "statements": _statements,
}
"""The tables of a report by name, in its order."""


def table(report: Report, name: str) -> tuple[Sequence[str], list[Row]]:
    """Return a table's columns and rows.

    Raises:
        ValueError: there is no table of that name.
    """
    if name not in TABLES:
        raise ValueError(f"--table {name!r} is not one of {', '.join(TABLES)}")
    rows = list(TABLES[name](report))
    columns = dict.fromkeys(column for row in rows for column in row)
    return list(columns), rows
