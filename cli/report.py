"""``qwatch report``: makes a utilization report from the store, and prints it or writes it to a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Console

from ..reports.anonymous import anonymous
from ..reports.make_report import Wanted, make_report
from ..reports.output import FORMATS, format_of, render, write
from ..reports.period import Asked, PeriodError, local_zone, periods
from ..reports.read_only_store import open_store
from ..reports.settings import ReportSettings
from .failure import CommandFailedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """What was asked for on the command line."""

    asked: Asked
    by: str
    devices: Sequence[str]
    how: str | None
    table: str | None
    out: Path | None
    config: Path | None
    store: str | None
    timezone: str | None
    top: int | None
    anonymous: bool


@dataclass(frozen=True, slots=True)
class _Site:
    store: str
    settings: ReportSettings
    nominal_rates: dict[str, float]


def run_report(options: ReportOptions) -> None:
    """Make the report and write it.

    Raises:
        CommandFailedError, SchedulerError, OSError: what was wrong, in a line.
    """
    site = _site(options)
    now = time.time()
    zone = _zone(options, site.settings)
    try:
        period, previous = periods(options.asked, zone, now)
    except PeriodError as error:
        raise CommandFailedError(str(error)) from error
    how = _format(options)
    wanted = Wanted(
        period=period,
        previous=previous,
        by=options.by,
        devices=tuple(dict.fromkeys(options.devices)),
        nominal_rates=site.nominal_rates,
    )
    with open_store(site.store) as store, _progress() as progress:
        report = make_report(store, wanted, site.settings, now, progress)
        progress("page" if how == "html" else how)
        try:
            text = render(anonymous(report) if options.anonymous else report, how, options.table)
        except ValueError as error:
            raise CommandFailedError(str(error)) from error
    if options.out is None:
        sys.stdout.write(text)
        return
    write(text, options.out)
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"{options.out}: {report.period.label}, {report.jobs} jobs, {report.took_seconds:.1f} s", markup=False
    )


def _site(options: ReportOptions) -> _Site:
    """Return the store and what is configured about reports; a store that is named goes first."""
    if options.config is None and options.store is None:
        raise CommandFailedError(
            "tell where the data is: --config FILE (the daemon's configuration) or --store URL"
        )
    settings, url = ReportSettings(), ""
    rates: dict[str, float] = {}
    if options.config is not None:
        from ..daemon.configuration import load_configuration

        configuration = load_configuration(options.config)
        settings, url = configuration.reports, configuration.store.url
        nominal = [(device.name, device.shot_rate) for device in configuration.devices]
        nominal += [(device.name, device.shot_rate) for device in configuration.observer.devices]
        rates = {name: rate for name, rate in nominal if rate is not None}
    if options.store is not None:
        url = options.store if "://" in options.store else f"sqlite:///{options.store}"
    if options.top is not None:
        settings = settings.model_copy(update={"top": options.top})
    return _Site(url, settings, rates)


def _zone(options: ReportOptions, settings: ReportSettings) -> ZoneInfo:
    name = options.timezone or settings.timezone
    try:
        return local_zone() if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CommandFailedError(f"--timezone {name!r} is not a time zone such as Europe/Paris") from error


def _format(options: ReportOptions) -> str:
    how = options.how
    if how is None and options.out is not None:
        how = format_of(options.out)
    if how is None:
        how = "csv" if options.table is not None else "md"
    if how not in FORMATS:
        raise CommandFailedError(f"--format {how!r} is not one of {', '.join(FORMATS)}")
    if options.table is not None and how != "csv":
        raise CommandFailedError("--table goes with --format csv")
    return how


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is computed; nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda part: None
        return
    with console.status("reading the ledger …") as status:
        yield lambda part: status.update(f"reading the ledger: {part} …")
