"""``qwatch config check``: mistakes, contradictions, secrets that others read, addresses that do not answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...exporters.web_config import WebConfigurationError, load_web_configuration
from ...scheduler.errors import ConfigurationError
from ..configuration import Configuration, validate
from ..reachability import ask_all
from .document import Document, Location, read_document
from .environment import unknown_variables
from .finding import Finding, Level
from .mistakes import place_of
from .origins import entries
from .questions import port_remarks, questions
from .rules import remarks, role_of
from .secret_files import is_readable_by_all, remarks_on_files
from .template import Role


def check(file: Path, role: Role | None = None, *, offline: bool = False) -> list[Finding]:
    """Return all that is found; ``role`` is seen from the devices if it is not given.

    With ``offline`` nothing is asked over the network, and no port is tried.
    """
    environment = os.environ
    try:
        document = read_document(file)
    except ConfigurationError as error:
        place, _, said = str(error).partition(": ")
        return [Finding("error", place, "", said)]
    configuration = validate(document)
    found = [
        Finding("warning", f"environment {name}", "", "is no key of the configuration")
        for name in unknown_variables(Configuration, environment)
    ]
    if not isinstance(configuration, Configuration):
        return [*found, *(Finding("error", item.place, item.key, item.line) for item in configuration)]
    found += _of_the_file(file, configuration, document, environment)
    role = role or role_of(configuration)
    told = [*remarks(configuration, role), *remarks_on_files(configuration), *_web(configuration)]
    if not offline:
        told += port_remarks(configuration, role)
        told += _asked(configuration, role)
    return found + [
        Finding(level, place_of(location, document, environment), _name(location), line)
        for level, location, line in told
    ]


def _of_the_file(
    file: Path, configuration: Configuration, document: Document, environment: Mapping[str, str]
) -> Iterator[Finding]:
    if not is_readable_by_all(file):
        return
    for entry in entries(configuration, document, environment):
        if entry.is_masked and entry.from_file:
            line = f"a credential in a file that everybody can read: chmod o-rwx {file}"
            yield Finding("error", entry.origin, entry.key, line)


def _web(configuration: Configuration) -> Iterator[tuple[Level, Location, str]]:
    file = configuration.metrics.web_config_file
    if file is None:
        return
    try:
        load_web_configuration(file)
    except WebConfigurationError as error:
        yield "error", ("metrics", "web_config_file"), str(error)


def _asked(configuration: Configuration, role: Role) -> Iterator[tuple[Level, Location, str]]:
    asked = list(questions(configuration, role))
    for (location, _), answer in zip(asked, ask_all([ask for _, ask in asked]), strict=True):
        yield "ok" if answer.good else "error", location, answer.line


def _name(location: Location) -> str:
    return ".".join(str(part) for part in location)
