"""The alerts that fire, read from Alertmanager for administrators who watch."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from .snapshot import Alert

_READ_SECONDS = 15.0
_PATIENCE_SECONDS = 2.0
_MOST = 100
_LONGEST_TEXT = 500


class _Reply(BaseModel):
    """One alert of ``GET /api/v2/alerts``."""

    model_config = ConfigDict(extra="ignore")

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: datetime


_REPLIES = TypeAdapter(list[_Reply])


class FiringAlerts:
    """Keeps them; Alertmanager is asked every quarter of a minute at most, while someone may see the answer."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._asked_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self.alerts: list[Alert] | None = None
        self.error: str | None = None

    def refresh(self) -> None:
        """Begin to ask, if that was not done just now; nobody waits for the answer."""
        now = time.monotonic()
        if self._url is not None and now - self._asked_at >= _READ_SECONDS:
            self._asked_at = now
            self._task = asyncio.create_task(self.ask())

    async def ask(self) -> None:
        """Ask; a failure is told in ``error``."""
        try:
            # Without TLS no certificates are loaded: that would hold the event loop up.
            verify = self._url is not None and self._url.startswith("https:")
            async with httpx.AsyncClient(timeout=_PATIENCE_SECONDS, verify=verify) as client:
                response = await client.get(
                    f"{self._url}/api/v2/alerts",
                    params={"active": "true", "silenced": "false", "inhibited": "false"},
                )
            response.raise_for_status()
            found = _REPLIES.validate_python(response.json())
        except (httpx.HTTPError, ValueError) as error:
            said = "its answer was not understood" if isinstance(error, ValidationError) else str(error)
            self.alerts, self.error = (
                None,
                f"Alertmanager does not tell which alerts fire: {said}"[:_LONGEST_TEXT],
            )
            return
        self.alerts = [_alert(reply) for reply in sorted(found, key=lambda reply: reply.startsAt)[:_MOST]]
        self.error = None


def _alert(reply: _Reply) -> Alert:
    labels, told = reply.labels, reply.annotations
    link = told.get("runbook_url")
    values: dict[str, Any] = {
        "name": labels.get("alertname", "?"),
        "severity": labels.get("severity", "none"),
        "device": labels.get("qpu_id"),
        "summary": (told.get("summary") or told.get("description") or "")[:_LONGEST_TEXT],
        "since": reply.startsAt,
        # A page links to it.
        "runbook_url": link if link is not None and link.startswith(("http://", "https://")) else None,
    }
    return Alert(**values)
