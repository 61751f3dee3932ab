"""Reads numbers of many rows as columns, block by block, without a Python object that stays for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy
from numpy.typing import NDArray
from sqlalchemy import Connection, Select

Column = NDArray[numpy.float64]
_ROWS = 20_000


def blocks(connection: Connection, statement: Select[Any]) -> Iterator[Column]:
    """Yield the rows of ``statement``, numbers all of which none is null: arrays of one row for each column."""
    width = len(statement.selected_columns)
    for rows in _rows(connection, statement):
        found = numpy.fromiter(chain.from_iterable(rows), dtype=numpy.float64, count=len(rows) * width)
        yield found.reshape(-1, width).T


def columns(connection: Connection, statement: Select[Any]) -> list[Column]:
    """Return the columns of ``statement``, with 8 bytes a number."""
    width = len(statement.selected_columns)
    # A block of one row for each column is copied, so that it does not hold on to the others.
    parts = [[column.copy() for column in block] for block in blocks(connection, statement)]
    return [numpy.concatenate([numpy.empty(0), *(part[place] for part in parts)]) for place in range(width)]


def _rows(connection: Connection, statement: Select[Any]) -> Iterator[Sequence[Sequence[Any]]]:
    if connection.dialect.name != "sqlite":
        yield from connection.execute(statement, execution_options={"yield_per": _ROWS}).partitions()
        return
    # What SQLAlchemy makes of each row takes as long as SQLite takes to find it.
    result = connection.execute(statement)
    try:
        while rows := result.cursor.fetchmany(_ROWS):
            yield rows
    finally:
        result.close()
