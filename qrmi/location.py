"""Where a QPU is: in the job's environment, in qrmi_config.json, or behind the daemon of this user."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from . import announcement
from .resource_types import EMULATOR, PASQAL_LOCAL, TYPES, URL_KEYS

QPU_VARIABLE = "QWATCH_QPU"
"""Names the QPU for a program that names none."""

CONFIG_VARIABLE = "QWATCH_QRMI_CONFIG"
"""Path of the site's qrmi_config.json, where it is neither here nor in /etc/slurm."""

TOKEN_FILE_VARIABLE = "QWATCH_TOKEN_FILE"
"""Path of the token for a daemon on this host that uses local authentication."""

CONFIG_PLACES = (Path("qrmi_config.json"), Path("/etc/slurm/qrmi_config.json"))

JOB_ENVIRONMENT = "the job's environment"


class ResourceNotAvailableError(RuntimeError):
    """No QPU can be opened; the message is one line: what, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Location:
    """A resource and how to reach it.

    Attributes:
        name: the resource's name.
        type_word: QRMI's word for its type, or ``emulator``.
        source: where it was found, in words.
        settings: its variables, named without the resource's prefix (``QRMI_WARDEN_URL``).
        token_file: the local token, if its daemon takes one.
        trace_directory: where its daemon's user wants spans, if anywhere.
    """

    name: str
    type_word: str
    source: str
    settings: Mapping[str, str] = field(default_factory=dict)
    token_file: Path | None = None
    trace_directory: str | None = None

    @property
    def url(self) -> str | None:
        """Base URL of its daemon, for a resource that has one."""
        return next((self.settings[key] for key in URL_KEYS if self.settings.get(key)), None)


def locate(
    name: str | None = None, *, config: Path | None = None, environment: Mapping[str, str] | None = None
) -> Location:
    """Return where the resource ``name`` is.

    Without a name ``QWATCH_QPU`` names it, or it is the only one there is. The name ``emulator`` is always
    the emulator in the program's own process. A given ``config`` is the only place that is searched.

    Raises:
        ResourceNotAvailableError: there is none, none of this name, or several and none was named; or a
            configuration file cannot be read.
    """
    environment = os.environ if environment is None else environment
    wanted = name or environment.get(QPU_VARIABLE) or None
    if wanted == EMULATOR:
        return Location(EMULATOR, EMULATOR, "this process")
    places = [_in_config(config)] if config is not None else _places(environment)
    offered = [location for place in places for location in place]
    if wanted is not None:
        found = next((location for location in offered if location.name == wanted), None)
        if found is None:
            raise ResourceNotAvailableError(f"QPU {wanted!r} is not available: {_offer(offered, config)}")
        return found
    first = next((place for place in places if place), [])
    if len(first) == 1:
        return first[0]
    if first:
        raise ResourceNotAvailableError(
            f"several QPUs are available and none is named: {_listed(first)}; "
            f"pass the name of one, or set {QPU_VARIABLE}"
        )
    raise ResourceNotAvailableError(f"no QPU is available: {_offer(offered, config)}")


def everywhere(environment: Mapping[str, str]) -> tuple[list[Location], list[tuple[str, str]]]:
    """Return every resource in the order of precedence, and each place that cannot be read with the reason."""
    found: list[Location] = []
    faults: list[tuple[str, str]] = []
    for place, look in _sources(environment):
        try:
            found += look()
        except ResourceNotAvailableError as error:
            faults.append((place, str(error)))
    return found, faults


def _offer(offered: list[Location], config: Path | None) -> str:
    if offered:
        return f"there are {_listed(offered)}, and {EMULATOR!r} (this process)"
    if config is not None:
        return f"{config} lists none"
    return (
        "the job's environment (QRMI_JOB_QPU_RESOURCES), qrmi_config.json and this user's daemon list none; "
        f"start one with `qwatch up`, run in a job with a QPU, or choose {QPU_VARIABLE}={EMULATOR}"
    )


def _listed(locations: list[Location]) -> str:
    return ", ".join(f"{location.name!r} ({location.source})" for location in locations)


def _places(environment: Mapping[str, str]) -> list[list[Location]]:
    return [look() for _, look in _sources(environment)]


def _sources(environment: Mapping[str, str]) -> list[tuple[str, Callable[[], list[Location]]]]:
    configured = environment.get(CONFIG_VARIABLE)
    paths = [Path(configured)] if configured else [path for path in CONFIG_PLACES if path.is_file()][:1]
    return [
        (JOB_ENVIRONMENT, partial(_in_job, environment)),
        *((str(path), partial(_in_config, path)) for path in paths),
        ("this user's daemon", _announced),
    ]


def _in_job(environment: Mapping[str, str]) -> list[Location]:
    for prefix in ("QRMI", "SLURM"):
        names = environment.get(f"{prefix}_JOB_QPU_RESOURCES")
        if names is None:
            continue
        separator = environment.get("QRMI_LIST_DELIMITER", ",")
        listed = names.split(separator) if names else []
        types = environment.get(f"{prefix}_JOB_QPU_TYPES", "")
        words = types.split(separator) if types else []
        if len(listed) != len(words):
            raise ResourceNotAvailableError(
                f"{prefix}_JOB_QPU_RESOURCES has {len(listed)} names and {prefix}_JOB_QPU_TYPES "
                f"{len(words)} types: give one type for each name"
            )
        return [
            _located(name, word, JOB_ENVIRONMENT, _with_prefix(environment, name), environment)
            for name, word in zip(listed, words, strict=True)
        ]
    return []


def _in_config(path: Path) -> list[Location]:
    try:
        resources = json.loads(path.read_text(encoding="utf-8"))["resources"]
        return [
            _located(
                str(entry["name"]),
                str(entry["type"]),
                str(path),
                {str(key): str(value) for key, value in (entry.get("environment") or {}).items()},
                os.environ,
            )
            for entry in resources
        ]
    except OSError as error:
        raise ResourceNotAvailableError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResourceNotAvailableError(
            f"{path} is not a QRMI configuration ({type(error).__name__}: {error}): it needs "
            '{"resources": [{"name": …, "type": …, "environment": {…}}]}'
        ) from error


def _announced() -> list[Location]:
    found = announcement.read()
    if found is None:
        return []
    return [
        Location(
            name,
            PASQAL_LOCAL,
            f"the daemon at {found.url}",
            {URL_KEYS[0]: f"{found.url}/devices/{name}"},
            Path(found.token_file) if found.auth == "local" and found.token_file else None,
            found.trace_directory,
        )
        for name in found.devices
    ]


def _located(
    name: str, word: str, source: str, settings: Mapping[str, str], environment: Mapping[str, str]
) -> Location:
    if word != EMULATOR and word not in TYPES:
        raise ResourceNotAvailableError(
            f"QPU {name!r} in {source} has the unknown type {word!r}: use one of {', '.join(TYPES)}"
        )
    location = Location(name, word, source, settings)
    token_file = token_file_of(location, environment)
    return Location(name, word, source, settings, token_file) if token_file else location


def token_file_of(location: Location, environment: Mapping[str, str]) -> Path | None:
    """Return the file of the token for a daemon on this host, and never offer it to another one."""
    if location.type_word != PASQAL_LOCAL or location.url is None or not is_this_host(location.url):
        return None
    given = environment.get(TOKEN_FILE_VARIABLE)
    if given:
        return Path(given)
    found = announcement.read()
    if found is None or found.auth != "local" or found.token_file is None:
        return None
    same = urlsplit(found.url)[:2] == urlsplit(location.url)[:2]
    return Path(found.token_file) if same else None


def is_this_host(url: str) -> bool:
    """Whether a URL names this host by a loopback address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _with_prefix(environment: Mapping[str, str], name: str) -> dict[str, str]:
    prefix = f"{name}_"
    return {key.removeprefix(prefix): value for key, value in environment.items() if key.startswith(prefix)}
