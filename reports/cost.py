"""What the time of a device costs: a statement for each account, from the ledger and its corrections.

Sums are exact: busy time is counted in whole units of 2**-20 s (about a microsecond), rates are the decimal
numbers that the configuration writes, and nothing is rounded before it is printed (:func:`printed`). So a
statement is its lines and corrections, and the statements of a period's parts add up to that of the period.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from sqlalchemy import BigInteger, Connection, cast, func, select

from ..scheduler import ledger
from ..scheduler.account_usage import UNITS_A_SECOND
from ..scheduler.tables import ledger_corrections, ledger_jobs
from . import model
from .settings import RateSettings

_SECONDS_AN_HOUR = 3600
_CENT = Decimal("0.01")


@dataclass(slots=True)
class _Account:
    lines: list[model.StatementLine] = field(default_factory=list)
    corrections: list[model.Correction] = field(default_factory=list)
    busy: Fraction = Fraction(0)
    total: Fraction = Fraction(0)


def rate_of(rates: RateSettings, account: str, job_class: str | None) -> float | None:
    """Return what an hour of busy time costs: the account's rate, else the class's, else the default.

    None means that no rate applies: the time is not charged.
    """
    by_class: Mapping[str, float] = {str(name): price for name, price in rates.by_class.items()}
    for found in (rates.by_account.get(account), by_class.get(job_class or ""), rates.per_busy_hour):
        if found is not None:
            return found
    return None


def cost_of(seconds: float, rate: float | None) -> float | None:
    """Return what busy time costs at a rate per hour; None where no rate applies."""
    return None if rate is None else float(_cost(Fraction(seconds), rate))


def printed(amount: float) -> str:
    """Return an amount as it is printed: with two decimals, a half to the even neighbour, never ``-0.00``.

    The amount that was meant lies within a rounding error of the float; what is a half but for that error is
    taken as one.
    """
    exact = Decimal(repr(round(amount, 9)))
    rounded = exact.quantize(_CENT, rounding=ROUND_HALF_EVEN)
    return f"{abs(rounded) if rounded == 0 else rounded}"


def statements(
    connection: Connection, period: model.Period, rates: RateSettings
) -> Sequence[model.Statement] | None:
    """Return a statement for each account with jobs that ended, or corrections that apply, in the period.

    They are in the order of their accounts. Time at no rate is not on them. A correction that gives an amount
    costs that amount; one that gives only busy time costs what that time was charged: at the account's rate,
    else at that of the class of the job it names, else at the default.

    Returns:
        None if no rate is configured.
    """
    if rates.per_busy_hour is None and not rates.by_class and not rates.by_account:
        return None
    accounts: defaultdict[str, _Account] = defaultdict(_Account)
    _add_lines(connection, period, rates, accounts)
    _add_corrections(connection, period, rates, accounts)
    return [
        model.Statement(
            account=name,
            currency=rates.currency,
            lines=found.lines,
            corrections=found.corrections,
            busy_seconds=float(found.busy),
            total=float(found.total),
        )
        for name, found in sorted(accounts.items())
    ]


def _add_lines(
    connection: Connection,
    period: model.Period,
    rates: RateSettings,
    accounts: defaultdict[str, _Account],
) -> None:
    columns = ledger_jobs.c
    scaled = columns.busy_seconds * UNITS_A_SECOND
    if connection.dialect.name != "sqlite":  # whose cast cuts off; others round
        scaled = func.floor(scaled)
    rows = connection.execute(
        select(columns.account, columns.job_class, func.count(), func.sum(cast(scaled, BigInteger)))
        .where(
            columns.ended_at >= period.begin,
            columns.ended_at < period.end,
            columns.busy_seconds > 0,
        )
        .group_by(columns.account, columns.job_class)
        .order_by(columns.account, columns.job_class)
    )
    for account, job_class, jobs, units in rows:
        rate = rate_of(rates, account, job_class)
        if rate is None:
            continue
        busy = Fraction(int(units), UNITS_A_SECOND)
        cost = _cost(busy, rate)
        found = accounts[account]
        found.lines.append(
            model.StatementLine(
                job_class=job_class, jobs=jobs, busy_seconds=float(busy), rate=rate, cost=float(cost)
            )
        )
        found.busy += busy
        found.total += cost


def _add_corrections(
    connection: Connection,
    period: model.Period,
    rates: RateSettings,
    accounts: defaultdict[str, _Account],
) -> None:
    columns = ledger_corrections.c
    rows = connection.execute(
        select(ledger_corrections)
        .where(columns.applies_at >= period.begin, columns.applies_at < period.end)
        .order_by(columns.applies_at, columns.id)
    ).all()
    for row in rows:
        busy, cost = Fraction(row.busy_seconds), Fraction(repr(row.cost))
        if not cost and busy:
            booked = None if row.job is None else ledger.find_job(connection, row.job, row.qpu_id)
            rate = rate_of(rates, row.account, None if booked is None else booked.job_class)
            cost = Fraction(0) if rate is None else _cost(busy, rate)
        found = accounts[row.account]
        found.corrections.append(
            model.Correction(
                number=row.id,
                at=row.at,
                applies_at=row.applies_at,
                job=row.job,
                busy_seconds=row.busy_seconds,
                cost=float(cost),
                reason=row.reason,
                made_by=row.made_by,
            )
        )
        found.busy += busy
        found.total += cost


def _cost(busy: Fraction, rate: float) -> Fraction:
    """``repr`` gives the decimal number that was written, not the float beside it."""
    return busy * Fraction(repr(rate)) / _SECONDS_AN_HOUR
