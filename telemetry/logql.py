"""LogQL built from the vocabulary's fields: a renamed field of a log record breaks at generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import log_fields


def _known(field: str) -> str:
    if field not in log_fields.FIELDS:
        raise ValueError(f"log records have no field {field}")
    return field


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Lines:
    """Log lines: those of one device or several (a regular expression), narrowed by their fields."""

    qpu_id: str
    filters: tuple[str, ...] = ()

    def where(self, field: str, operator: str, value: str) -> Lines:
        """Return the lines of which ``field`` compares so with ``value``.

        Raises:
            ValueError: no log record has such a field.
        """
        return replace(self, filters=(*self.filters, f"{_known(field)} {operator} {_quoted(value)}"))

    def one_of(self, field: str, values: Sequence[str]) -> Lines:
        """Return the lines of which ``field`` is one of ``values``."""
        return self.where(field, "=~", "|".join(values))

    def having(self, field: str) -> Lines:
        """Return the lines that have ``field``."""
        return self.where(field, "!=", "")

    def __str__(self) -> str:
        stream = f"{{{log_fields.QPU_ID}=~{_quoted(self.qpu_id)}}}"
        return " | ".join((stream, *self.filters))


def counted(lines: Lines, window: str, by: Sequence[str] = ()) -> str:
    """Return how many lines there were in each ``window``, by the fields ``by``."""
    return _summed(f"count_over_time({_kept(lines, by)} [{window}])", by)


def total(lines: Lines, field: str, window: str, by: Sequence[str] = ()) -> str:
    """Return the sum of the numbers in ``field`` in each ``window``, by the fields ``by``."""
    return _summed(f"sum_over_time({_unwrapped(lines, field, by)} [{window}])", by)


def last(lines: Lines, field: str, window: str, by: Sequence[str] = ()) -> str:
    """Return the last number in ``field`` in each ``window``, by the fields ``by``."""
    return f"last_over_time({_unwrapped(lines, field, by)} [{window}]){_by(by)}"


def greatest(lines: Lines, field: str, window: str, by: Sequence[str] = ()) -> str:
    """Return the greatest number in ``field`` in each ``window``, by the fields ``by``."""
    return f"max_over_time({_unwrapped(lines, field, by)} [{window}]){_by(by)}"


def quantile(share: float, lines: Lines, field: str, window: str) -> str:
    """Return a quantile of the numbers in ``field`` in each ``window``."""
    return f"quantile_over_time({share:g}, {_unwrapped(lines, field)} [{window}]) by ()"


def newest(lines: Lines, window: str) -> str:
    """Return when the newest line of ``window`` was written, in Unix milliseconds."""
    at = f"{lines} | label_format at=`{{{{ __timestamp__ | unixEpochMillis }}}}` | keep at"
    return f'max(max_over_time({at} | unwrap at | __error__="" [{window}]))'


def _kept(lines: Lines, fields: Sequence[str]) -> str:
    # Every field of a line is a label of its series: unless dropped, each job makes a series of its own, and
    # Loki refuses a query of more than 500.
    return f"{lines} | keep {', '.join((*(_known(field) for field in fields), log_fields.STREAM_LABELS[0]))}"


def _unwrapped(lines: Lines, field: str, by: Sequence[str] = ()) -> str:
    return f'{_kept(lines, (*by, field))} | unwrap {field} | __error__=""'


def _by(by: Sequence[str]) -> str:
    return f" by ({', '.join(by)})"


def _summed(expression: str, by: Sequence[str]) -> str:
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"
