"""Files that hold credentials: whether they are there, and whether others may read them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .document import Location
from .finding import Level

if TYPE_CHECKING:
    from ..configuration import Configuration

_OF_UNITS = Path("/run/credentials")
"""Where systemd's LoadCredential= puts them."""
_MADE_WHEN_MISSING = ("api", "token_file")


def secret_files(configuration: Configuration) -> Iterator[tuple[Location, Path]]:
    """Yield every file with a credential that the configuration names."""
    if configuration.api.token_file is not None:
        yield _MADE_WHEN_MISSING, configuration.api.token_file
    for index, device in enumerate(configuration.devices):
        if device.auth is not None:
            yield ("devices", index, "auth", "secret_file"), device.auth.secret_file
    for index, observed in enumerate(configuration.observer.devices):
        at = ("observer", "devices", index)
        if observed.peer_api is not None and observed.peer_api.token_file is not None:
            yield (*at, "peer_api", "token_file"), observed.peer_api.token_file
        if observed.peer_database is not None and observed.peer_database.password_file is not None:
            yield (*at, "peer_database", "password_file"), observed.peer_database.password_file
        if observed.qpu_api is not None and observed.qpu_api.auth is not None:
            yield (*at, "qpu_api", "auth", "secret_file"), observed.qpu_api.auth.secret_file
        if observed.qrmi is not None:
            for key, file in observed.qrmi.secret_files.items():
                yield (*at, "qrmi", "secret_files", key), file
    yield from _web_files(configuration.metrics.web_config_file)


def _web_files(file: Path | None) -> Iterator[tuple[Location, Path]]:
    from ...exporters.web_config import WebConfigurationError, load_web_configuration

    if file is None:
        return
    location = ("metrics", "web_config_file")
    try:
        found = load_web_configuration(file)
    except WebConfigurationError:
        return
    if found.basic_auth_users:
        yield location, file
    if found.tls_server_config is not None:
        yield location, found.tls_server_config.key_file


def remarks_on_files(configuration: Configuration) -> Iterator[tuple[Level, Location, str]]:
    """Yield what is wrong with the files of credentials."""
    for location, file in secret_files(configuration):
        try:
            mode = file.stat().st_mode
        except FileNotFoundError:
            if file.is_relative_to(_OF_UNITS):
                yield "warning", location, f"{file} is there only while its unit runs: not looked at"
            elif location != _MADE_WHEN_MISSING:
                yield "error", location, f"{file} does not exist"
            continue
        except OSError as error:
            yield "warning", location, f"{file} cannot be looked at by this user: {error.strerror}"
            continue
        if mode & stat.S_IROTH:
            yield "error", location, f"{file} can be read by everybody: chmod o-rwx {file}"


def is_readable_by_all(file: Path) -> bool:
    """Whether every user of this host may read a file."""
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
