"""Spans without credentials, whoever recorded them: an exception's text may quote a header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue

from .redaction import redact


def redacted_span(span: ReadableSpan) -> ReadableSpan:
    """Return ``span`` itself if it has nothing to hide, else a copy with every credential masked."""
    name = redact(span.name)
    given, given_events = span.attributes, span.events
    attributes = _clean(given)
    events = [_clean_event(event) for event in given_events]
    description = span.status.description
    clean_description = redact(description) if description else description
    if (
        name == span.name
        and attributes is given
        and clean_description == description
        and all(new is old for new, old in zip(events, given_events, strict=True))
    ):
        return span
    return ReadableSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, clean_description),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _clean_event(event: Event) -> Event:
    given = event.attributes
    attributes = _clean(given)
    if attributes is given:
        return event
    return Event(event.name, attributes, event.timestamp)


def _clean(attributes: Mapping[str, AttributeValue] | None) -> Mapping[str, AttributeValue] | None:
    if not attributes:
        return attributes
    clean = {key: _clean_value(value) for key, value in attributes.items()}
    return attributes if all(clean[key] is value for key, value in attributes.items()) else clean


def _clean_value(value: AttributeValue) -> AttributeValue:
    if isinstance(value, str):
        clean = redact(value)
        return value if clean == value else clean
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        items = [redact(item) if isinstance(item, str) else item for item in value]
        return value if items == list(value) else tuple(items)
    return value
