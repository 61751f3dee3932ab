"""SQL that SQLite and PostgreSQL both take, where their own words for it differ."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Double, Integer, case, cast, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class greatest(GenericFunction[Any]):
    """The greatest of its arguments, none of which is null."""

    inherit_cache = True


class least(GenericFunction[Any]):
    """The least of its arguments, none of which is null."""

    inherit_cache = True


@compiles(greatest, "sqlite")
def _greatest(element: greatest, compiler: SQLCompiler, **options: Any) -> str:
    return f"max{compiler.process(element.clause_expr, **options)}"


@compiles(least, "sqlite")
def _least(element: least, compiler: SQLCompiler, **options: Any) -> str:
    return f"min{compiler.process(element.clause_expr, **options)}"


class whole(GenericFunction[int]):
    """The whole part of a number that is not negative."""

    type = BigInteger()
    inherit_cache = True


@compiles(whole, "sqlite")
def _whole(element: whole, compiler: SQLCompiler, **options: Any) -> str:
    return f"cast({compiler.process(element.clauses, **options)} as integer)"


@compiles(whole)
def _floor(element: whole, compiler: SQLCompiler, **options: Any) -> str:
    return f"cast(floor({compiler.process(element.clauses, **options)}) as bigint)"


def number(value: float) -> ColumnElement[float]:
    """Return ``value`` as a double; what is only bound has no type on some servers."""
    return cast(literal(value, Double), Double)


def one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Return 1 where ``condition`` holds, else 0."""
    return case((condition, literal(1, Integer)), else_=literal(0, Integer))
