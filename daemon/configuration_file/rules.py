"""What is wrong with a configuration beyond its types: names, roles, who may, keys that need others."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...scheduler.accounts import Accounts
from ...scheduler.errors import ConfigurationError
from .document import Location
from .finding import Level
from .template import Role

if TYPE_CHECKING:
    from ..configuration import Configuration

Remark = tuple[Level, Location, str]
"""How bad it is, of which key, and one line."""

_LOOPBACK_NAMES = ("localhost", "")


def role_of(configuration: Configuration) -> Role:
    """Return the role that a configuration is for: an observer's names observed devices and no others."""
    return "observer" if configuration.observer.devices and not configuration.devices else "all"


def remarks(configuration: Configuration, role: Role) -> Iterator[Remark]:
    """Yield what will not work, or not as it looks, when ``role`` starts."""
    if role == "observer":
        yield from _of_an_observer(configuration)
    else:
        yield from _of_devices(configuration)
        yield from _of_authentication(configuration)
        if configuration.observer.devices:
            yield "warning", ("observer",), "is read by qwatch serve --role observer only"
    yield from _of_store(configuration)
    api, metrics = configuration.api, configuration.metrics
    try:
        Accounts(api.accounts_file)
    except ConfigurationError as error:
        yield "error", ("api", "accounts_file"), str(error).removeprefix("api.accounts_file ")
    if role == "all" and api.port == metrics.port != 0:
        yield "error", ("metrics", "port"), f"{metrics.port} is api.port too: choose another one"


def local_auth_refusals(configuration: Configuration) -> Iterator[tuple[Location, str]]:
    """Yield why ``auth: local`` may not be used so."""
    api = configuration.api
    if api.auth != "local":
        return
    if api.host not in ("127.0.0.1", "localhost", "::1"):
        yield ("api", "host"), f"auth: local listens on loopback only, not on {api.host}"
    real = [device.name for device in configuration.devices if not device.simulator]
    if real and not api.allow_local_auth_for_real_devices:
        yield (
            ("api", "auth"),
            f"local is for emulators, and {', '.join(real)} is not marked 'simulator: true'; "
            "use MUNGE, or set api.allow_local_auth_for_real_devices",
        )


def _of_devices(configuration: Configuration) -> Iterator[Remark]:
    devices = configuration.devices
    if not devices:
        yield "warning", ("devices",), "names no device yet: qwatch serve needs at least one"
    first: dict[str, int] = {}
    for index, device in enumerate(devices):
        if device.name in first:
            other = f"devices.{first[device.name]}"
            yield "error", ("devices", index, "name"), f"{device.name} is the name of {other} too"
        first.setdefault(device.name, index)
    defaults = [index for index, device in enumerate(devices) if device.default]
    for index in defaults[1:]:
        yield "error", ("devices", index, "default"), f"devices.{defaults[0]} is the default already"
    if len(devices) > 1 and not defaults:
        yield "warning", ("devices",), f"none is the default, so that {devices[0].name} is: it is the first"


def _of_authentication(configuration: Configuration) -> Iterator[Remark]:
    api = configuration.api
    for location, line in local_auth_refusals(configuration):
        yield "error", location, line
    if api.auth == "local":
        if api.token_file is None:
            yield "error", ("api", "token_file"), "auth: local needs it"
        return
    if 0 not in api.admin_users:
        line = "without 0, root creates no sessions for others: Slurm's SPANK plugin runs as root"
        yield "warning", ("api", "admin_users"), line
    if not _is_loopback(api.host) and not api.session_hosts:
        line = "is empty: the SPANK plugin on compute nodes is refused"
        yield "warning", ("api", "session_hosts"), line


def _of_an_observer(configuration: Configuration) -> Iterator[Remark]:
    if not configuration.observer.devices:
        yield "warning", ("observer", "devices"), "names no device yet: an observer needs at least one"
    if configuration.devices:
        yield "warning", ("devices",), "is not read by an observer: its devices are observer.devices"


def _of_store(configuration: Configuration) -> Iterator[Remark]:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    location = ("store", "url")
    try:
        url = make_url(configuration.store.url)
    except (ArgumentError, ValueError):
        # Its own words quote the address, and with it a password.
        yield "error", location, "is not a database URL such as sqlite:////var/lib/qwatch/qwatch.db"
        return
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            yield "error", location, "a store in memory is not durable; name a file"
    elif url.get_backend_name() != "postgresql":
        yield "error", location, f"{url.get_backend_name()} is no store; sqlite and postgresql are"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in _LOOPBACK_NAMES
