"""Every key of the configuration, read off its models: meaning, default, unit and environment variable."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

Shape = Literal["value", "section", "sections", "sections by name"]
PREFIX = "QWATCH_"
DELIMITER = "__"
ITEM = "[]"
"""Stands for the index in a list of sections."""
NAME = "<name>"
"""Stands for the key in a mapping of sections."""

_RATE = re.compile(r"\b(\w+) a (?:second|busy hour)")
_TIME = re.compile(r"\bseconds\b")


@dataclass(frozen=True, slots=True)
class Key:
    """One key, with all that its model says about it."""

    location: tuple[str, ...]
    section: type[BaseModel]
    field: FieldInfo

    @property
    def name(self) -> str:
        """Its last word."""
        return self.location[-1]

    @property
    def path(self) -> str:
        """Its whole name, such as ``devices[].auth.url``."""
        return ".".join(self.location).replace(f".{ITEM}", ITEM)

    @property
    def variable(self) -> str:
        """The environment variable that sets it: for keys of a list, the one of the whole list, as JSON."""
        return variable_of(whole(self.location))

    @property
    def is_of_a_list(self) -> bool:
        """Whether it is a key of the items of a list or mapping, so that its variable holds all of them."""
        return len(whole(self.location)) < len(self.location)

    @property
    def shape(self) -> Shape:
        """Whether it is a value, or holds keys of its own."""
        return shape_of(self.field.annotation)[0]

    @property
    def inner(self) -> type[BaseModel] | None:
        """The model of the keys that it holds."""
        return shape_of(self.field.annotation)[1]

    @property
    def required(self) -> bool:
        """Whether it must be given where its section is."""
        return self.field.is_required()

    @property
    def default(self) -> Any:
        """Its default as the model has it; None where it is required."""
        return None if self.required else self.field.get_default(call_default_factory=True, validated_data={})

    @property
    def description(self) -> str:
        """What it means; of a section without a description, what its model is."""
        if self.field.description:
            return self.field.description
        about = (self.inner.__doc__ or "") if self.inner is not None else ""
        return " ".join(about.split()).rstrip(".")

    @property
    def unit(self) -> str | None:
        """Its unit, for numbers that have one."""
        if not _is_number(self.field.annotation):
            return None
        said = self.description
        if found := _RATE.search(said):
            return f"{found[1]}/s" if "second" in found[0] else None
        if _TIME.search(said) or self.name.endswith(("seconds", "timeout", "interval")):
            return "s"
        return "bytes" if self.name.endswith("bytes") else None

    @property
    def is_secret(self) -> bool:
        """Whether its value is a credential by its type."""
        return _holds(self.field.annotation, SecretStr)

    @property
    def kind(self) -> str:
        """Its type in plain words."""
        return _kind(self.field.annotation)


def keys_of(model: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[Key]:
    """Yield every key of a model, in its order, each section before its own keys."""
    for name, field in model.model_fields.items():
        key = Key((*at, name), model, field)
        yield key
        if key.inner is None:
            continue
        step = {"section": (), "sections": (ITEM,), "sections by name": (NAME,), "value": ()}[key.shape]
        yield from keys_of(key.inner, (*key.location, *step))


def section_at(model: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel] | None:
    """Return the model whose keys are at ``location`` (keys, indices); None where there is none."""
    found: type[BaseModel] | None = model
    rest = list(location)
    while rest:
        if found is None:
            return None
        field = found.model_fields.get(str(rest.pop(0)))
        if field is None:
            return None
        shape, found = shape_of(field.annotation)
        if shape in ("sections", "sections by name") and rest:
            rest.pop(0)
    return found


def whole(location: Sequence[int | str]) -> tuple[str, ...]:
    """Return the part of a location that has an environment variable: up to the first list or mapping."""
    found: list[str] = []
    for part in location:
        if isinstance(part, int) or part in (ITEM, NAME):
            break
        found.append(part)
    return tuple(found)


def variable_of(location: Sequence[int | str]) -> str:
    """Return the name of the environment variable of a location of keys."""
    return PREFIX + DELIMITER.join(str(part) for part in location).upper()


def without_empty_sections(data: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Leave out sections without a key, such as an ``api:`` below which all is a comment: they are default."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        field = model.model_fields.get(str(name))
        if field is None:
            found[name] = value
            continue
        shape, inner = shape_of(field.annotation)
        if inner is None:
            found[name] = value
        elif isinstance(value, dict) and shape == "section":
            found[name] = without_empty_sections(value, inner)
        elif isinstance(value, list) and shape == "sections":
            found[name] = [
                without_empty_sections(item, inner) if isinstance(item, dict) else item for item in value
            ]
        elif value is not None or field.is_required() or _takes_none(field.annotation):
            found[name] = value
    return found


def shape_of(annotation: Any) -> tuple[Shape, type[BaseModel] | None]:
    """Return what a type holds: values, a section, or several."""
    plain = _plain(annotation)
    if isinstance(plain, type) and issubclass(plain, BaseModel):
        return "section", plain
    arguments = get_args(plain)
    if get_origin(plain) in (list, tuple) and arguments:
        inner = shape_of(arguments[0])[1]
        return ("sections", inner) if inner is not None else ("value", None)
    if get_origin(plain) is dict:
        inner = shape_of(arguments[1])[1]
        return ("sections by name", inner) if inner is not None else ("value", None)
    return "value", None


def is_json(annotation: Any) -> bool:
    """Whether a type's environment variable holds JSON."""
    plain = _plain(annotation)
    return get_origin(plain) in (list, tuple, dict) or shape_of(plain)[1] is not None


def json_text(value: Any) -> str:
    """Return a value as YAML and JSON both read it, on one line."""
    return json.dumps(plain_value(value), ensure_ascii=False)


def plain_value(value: Any) -> Any:
    """Return a value of the models as JSON has it; secrets stay masked."""
    if isinstance(value, BaseModel):
        return {name: plain_value(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, Path | SecretStr):
        return str(value)
    return value


def _plain(annotation: Any) -> Any:
    """Leave ``Annotated`` and ``| None`` away."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            [annotation, *_] = [part for part in get_args(annotation) if part is not type(None)]
        else:
            return annotation


def _takes_none(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _takes_none(get_args(annotation)[0])
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _is_number(annotation: Any) -> bool:
    plain = _plain(annotation)
    if get_origin(plain) is dict:
        return _is_number(get_args(plain)[1])
    return plain in (int, float)


def _holds(annotation: Any, wanted: type) -> bool:
    plain = _plain(annotation)
    return plain is wanted or any(_holds(part, wanted) for part in get_args(plain) if part is not ...)


_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    Path: "path",
    SecretStr: "secret",
}


def _kind(annotation: Any) -> str:
    plain = _plain(annotation)
    arguments = get_args(plain)
    if get_origin(plain) is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if get_origin(plain) in (list, tuple):
        inner = shape_of(arguments[0])[1]
        return "list of sections" if inner is not None else f"list of: {_kind(arguments[0])}"
    if get_origin(plain) is dict:
        return f"mapping of: {_kind(arguments[1])}"
    return _WORDS.get(plain, "section")
