"""``qwatch config init``: a configuration in which every key is explained, and what is default is a comment."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel

from .keys import ITEM, Key, keys_of, plain_value

Role = Literal["all", "observer"]
WIDTH = 100

_HEAD = """\
Configuration of the qwatch daemon: qwatch serve --config FILE{option}

A line that begins with "#" and a key is that key's default: remove the "#" to change it, or to name a first
device. Every key is also an environment variable, which wins over this file; lists and mappings are JSON in it.
Check this file with:       qwatch config check FILE
See where values come from: qwatch config show FILE{more}"""
_MORE = "\nAll keys with their descriptions: qwatch config init --full, or docs/configuration-keys.md"

_LEFT_OUT: dict[Role, tuple[str, ...]] = {"all": ("observer",), "observer": ("devices", "scheduler", "api")}
_BUT: dict[Role, tuple[str, ...]] = {"all": (), "observer": ("api.accounts_file",)}

ESSENTIAL = frozenset(
    [
        "api.host",
        "api.port",
        "api.auth",
        "api.token_file",
        "api.authorized_users",
        "api.admin_users",
        "api.admin_hosts",
        "api.session_hosts",
        "api.accounts_file",
        "store.url",
        "devices[].name",
        "devices[].adapter",
        "devices[].url",
        "devices[].resource_type",
        "devices[].environment",
        "devices[].default",
        "devices[].timezone",
        "devices[].shot_rate",
        "devices[].simulator",
        "scheduler.policy",
        "observer.devices[].name",
        "observer.devices[].ledger_source",
        "observer.devices[].shot_rate",
        "observer.devices[].peer_api.url",
        "observer.devices[].peer_api.auth",
        "observer.devices[].peer_api.token_file",
        "observer.devices[].peer_database.url",
        "observer.devices[].peer_database.password_file",
        "observer.devices[].qpu_api.url",
        "metrics.host",
        "metrics.port",
        "metrics.web_config_file",
        "telemetry.otlp_endpoint",
        "telemetry.otlp_protocol",
        "telemetry.loki_url",
        "telemetry.log_level",
        "slurm.enabled",
        "reports.site",
        "reports.timezone",
    ]
)
"""What a site looks at first; all else is in the full template."""


def template(model: type[BaseModel], role: Role = "all", *, full: bool = False) -> str:
    """Return a configuration for ``role``, with the essential keys or with every one that the role reads."""
    option = "" if role == "all" else f" --role {role}"
    head = _HEAD.format(option=option, more="" if full else _MORE)
    wanted = [key for key in keys_of(model) if _belongs(key, role) and (full or key.path in ESSENTIAL)]
    inside = {key.location[:length] for key in wanted for length in range(1, len(key.location))}
    shown = {key.location for key in wanted} | inside
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    lines += _section(model, (), 0, shown, in_list=False)
    return "\n".join([*lines, ""])


def _belongs(key: Key, role: Role) -> bool:
    return key.location[0] not in _LEFT_OUT[role] or key.path in _BUT[role]


def _section(
    model: type[BaseModel], at: tuple[str, ...], indent: int, shown: set[tuple[str, ...]], *, in_list: bool
) -> Iterator[str]:
    first = in_list and at[-1] == ITEM
    for name, field in model.model_fields.items():
        key = Key((*at, name), model, field)
        if key.location not in shown:
            continue
        if not at:
            yield ""
        begin = "- " if first else ""
        # The first key of an item stands after its dash, two columns to the left of the others.
        column = indent - len(begin)
        yield from _comment(key, column, in_list)
        yield from _lines(key, column, begin, indent, shown, in_list=in_list)
        first = False


def _lines(
    key: Key, column: int, begin: str, indent: int, shown: set[tuple[str, ...]], *, in_list: bool
) -> Iterator[str]:
    blank = " " * column
    inner, shape = key.inner, key.shape
    if inner is not None and shape in ("section", "sections"):
        live = not in_list and (shape == "sections" or key.default is not None)
        yield f"{blank}{'' if live else '#'}{begin}{key.name}:"
        if shape == "section":
            yield from _section(inner, key.location, indent + 2, shown, in_list=in_list or not live)
        else:
            yield from _section(inner, (*key.location, ITEM), indent + 4, shown, in_list=True)
        return
    value = key.field.examples[0] if in_list and key.field.examples else key.default
    yield f"{blank}#{begin}{key.name}: {_text(value)}"


def _comment(key: Key, column: int, in_list: bool) -> Iterator[str]:
    facts = [key.kind.replace("`", "")] if key.shape != "section" else []
    if key.unit is not None:
        facts.append(key.unit)
    if key.required:
        facts.append("required")
    if not in_list:
        facts.append(key.variable)
    said = key.description
    if key.shape == "sections by name" and key.inner is not None:
        said += "; of each: " + ", ".join(f"{item.name} ({item.description})" for item in keys_of(key.inner))
    text = f"{said} [{'; '.join(facts)}]" if facts else said
    # A wrapped line must not look like a key that was commented out: the blank after "#" tells them apart.
    for line in textwrap.wrap(text.replace("``", ""), WIDTH - column, break_long_words=False):
        yield f"{' ' * column}# {line}"


def _text(value: Any) -> str:
    """Return a value in YAML's flow style, which for these types is JSON."""
    if isinstance(value, float):
        return f"{value:.12f}".rstrip("0").rstrip(".")
    plain = plain_value(value)
    if isinstance(plain, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_text(item)}" for key, item in plain.items()) + "}"
    if isinstance(plain, list):
        return "[" + ", ".join(_text(item) for item in plain) + "]"
    return json.dumps(plain, ensure_ascii=False)
