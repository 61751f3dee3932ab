"""The daemon that is watched: its snapshot, its events and cancellations, asked as this user if possible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from ...qrmi.local_auth import TokenFileError
from ..admin_client import admin_client
from ..daemon_client import DaemonClient, reply_of
from ..failure import CommandFailedError
from .snapshot import Job

_PATIENCE = 10.0


class Source:
    """Asks one daemon; ``note`` says why only the public part was told last, if so."""

    def __init__(self, client: DaemonClient) -> None:
        self._client = DaemonClient(client.location, root_of(client.url))
        self.note = ""

    @property
    def where(self) -> str:
        """The daemon's host and port."""
        return httpx.URL(self._client.url).netloc.decode()

    def snapshot(self) -> Any:
        """Return what ``GET /live`` tells; CommandFailedError if it cannot be had."""
        for headers in self._attempts():
            try:
                response = httpx.get(f"{self._client.url}/live", headers=headers, timeout=_PATIENCE)
            except httpx.HTTPError as error:
                raise CommandFailedError(
                    f"the daemon at {self._client.url} does not answer ({error}); "
                    "start it, or see 'qwatch doctor'"
                ) from error
            if not self._goes_public(response, headers):
                return self._reply(response)
        raise AssertionError("the last attempt always ends")

    def events(self, silence: float) -> Iterator[Any]:
        """Yield each snapshot as the daemon tells it, None for a sign of life, until it ends the stream.

        Raises:
            CommandFailedError: the daemon refused.
            httpx.HTTPError: it cannot be reached, or said nothing for ``silence`` seconds.
        """
        from .feed import events_in

        timeout = httpx.Timeout(_PATIENCE, read=silence)
        for headers in self._attempts():
            with httpx.stream(
                "GET", f"{self._client.url}/live/events", headers=headers, timeout=timeout
            ) as response:
                if not response.is_success:
                    response.read()
                    if self._goes_public(response, headers):
                        continue
                    self._reply(response)
                yield from events_in(response.iter_lines())
                return

    def cancel(self, job: Job, *, own: bool) -> str:
        """Cancel a job, an own one as its user, another as an administrator; return what the daemon answers."""
        if own:
            reply = self._client.post(f"/jobs/{job.id}/cancel")
        else:
            path = f"/admin/jobs/{job.id}/cancel"
            reply = admin_client(None, self._client.location.name).call(
                "POST", path, json={"reason": "qwatch top"}
            )
        state = reply["status"]
        return f"job {job.id} " + ("is being canceled" if state == "RUNNING" else f"is {state}")

    def _attempts(self) -> Iterator[dict[str, str]]:
        """Yield the headers to ask with: this user's proof if one can be made, then none."""
        self.note = ""
        try:
            yield self._client.proof()
        except (CommandFailedError, TokenFileError) as error:
            self.note = str(error)
        yield {}

    def _goes_public(self, response: httpx.Response, headers: dict[str, str]) -> bool:
        """Whether a proof was refused, so that the public part is asked for."""
        if not headers or response.status_code not in (401, 403):
            return False
        try:
            reply_of(response, self.where)
        except CommandFailedError as error:
            self.note = str(error)
        return True

    def _reply(self, response: httpx.Response) -> dict[str, Any]:
        if response.status_code == 404:
            raise CommandFailedError(
                f"the daemon at {self._client.url} has no live view (HTTP 404): it is older, or another one"
            )
        return reply_of(response, self.where)


def root_of(url: str) -> str:
    """Return the address of the daemon at whose ``url`` one of its devices or classes is."""
    return url.partition("/classes/")[0].partition("/devices/")[0].rstrip("/")
