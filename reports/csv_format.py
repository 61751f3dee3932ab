"""A report as CSV (RFC 4180), for a spreadsheet: all of it in one long table, or one table by itself.

The long table has the columns ``table``, ``row``, ``key`` and ``value``. Times are ISO 8601 in the report's
zone, lengths are seconds, ratios are 0 to 1; what is not known is empty.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime
from zoneinfo import ZoneInfo

from .model import Report
from .tables import TABLES, Cell, table

_TIMES = ("begin", "end", "at", "made_at")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render_csv(report: Report, name: str | None = None) -> str:
    """Return the report, or one table of it, as CSV.

    Raises:
        ValueError: there is no table of that name.
    """
    zone = ZoneInfo(report.period.timezone)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if name is not None:
        columns, rows = table(report, name)
        writer.writerow(columns)
        writer.writerows([_cell(column, row.get(column), zone) for column in columns] for row in rows)
        return text.getvalue()
    writer.writerow(["table", "row", "key", "value"])
    for part in TABLES:
        columns, rows = table(report, part)
        for number, row in enumerate(rows, start=1):
            writer.writerows([part, number, column, _cell(column, row.get(column), zone)] for column in columns)
    return text.getvalue()


def _cell(column: str, value: Cell, zone: ZoneInfo) -> Cell:
    if value is None:
        return ""
    if column in _TIMES and isinstance(value, float):
        return datetime.fromtimestamp(value, zone).isoformat(timespec="seconds")
    if isinstance(value, str) and value.startswith(_FORMULA):
        # A spreadsheet would compute what a user called himself.
        return f"'{value}"
    return value
