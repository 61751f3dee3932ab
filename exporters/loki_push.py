"""One push to Loki, and what its answer means for the lines that were in it."""

from __future__ import annotations

import gzip
import math
import re
import time
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any
from urllib.parse import urlsplit

import requests
from loki_logger_handler.loki_request import LokiRequest

PUSH_PATH = "/loki/api/v1/push"
LONGEST_RETRY_AFTER = 300.0
_COMPRESSION = 1

_TOO_OLD = re.compile(r"too old|too far behind|out of order|oldest acceptable timestamp", re.IGNORECASE)
_OLDEST = re.compile(r"oldest acceptable timestamp is: (\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)")
_COUNTS = (re.compile(r"total ignored: (\d+) out of"), re.compile(r"(\d+) errors? like:"))


class Verdict(Enum):
    """What becomes of the lines of a push."""

    DELIVERED = auto()
    RETRY = auto()
    DROPPED = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one push.

    ``reason`` is a reason of ``qwatch_telemetry_dropped_total``: why lines were dropped, or why they would be
    if no retry succeeds. ``lost`` is how many of the lines Loki refused; None means all of them, or, where
    ``oldest`` is given, those whose time is before it.
    """

    verdict: Verdict
    reason: str = ""
    detail: str = ""
    lost: int | None = None
    oldest: float | None = None
    retry_after: float | None = None


class LokiPush:
    """Sends payloads through the library's request class, which by itself knows no time-out."""

    def __init__(self, url: str, tenant: str | None, auth: tuple[str, str] | None, timeout: float) -> None:
        path = urlsplit(url).path.rstrip("/")
        self.url = url.rstrip("/") if path.endswith("/push") else url.rstrip("/") + PUSH_PATH
        self._tenant = tenant
        self._auth = auth
        self._timeout = timeout
        self.reset()

    def reset(self) -> None:
        """Forget every open connection, as a forked child must."""
        headers = {"Content-Encoding": "gzip"}
        if self._tenant:
            headers["X-Scope-OrgID"] = self._tenant
        # Compressed here: the library takes gzip's slowest level, ten times the work for a sixth less.
        self._request = LokiRequest(url=self.url, compressed=False, auth=self._auth, additional_headers=headers)
        self._request.session = _BoundedSession(self._timeout)

    def close(self) -> None:
        """Close the connections."""
        self._request.session.close()

    def send(self, payload: bytes) -> Answer:
        """Push ``payload`` once."""
        try:
            self._request.send(gzip.compress(payload, _COMPRESSION))
        except requests.RequestException as error:
            response = getattr(error.__cause__, "response", None)
            if response is not None:
                return classify(response.status_code, response.text, response.headers.get("Retry-After"))
            return Answer(Verdict.RETRY, "unreachable", _cause(error))
        return Answer(Verdict.DELIVERED)


class _BoundedSession(requests.Session):
    """A session whose every request ends: with a time-out, and without following a POST elsewhere."""

    def __init__(self, timeout: float) -> None:
        super().__init__()
        self._timeout = timeout

    def request(self, *args: Any, **options: Any) -> requests.Response:
        options["timeout"] = self._timeout
        options["allow_redirects"] = False
        response = super().request(*args, **options)
        if response.is_redirect:
            raise requests.HTTPError(f"redirected to {response.headers['Location']}", response=response)
        return response


def classify(status: int, body: str, retry_after: str | None = None) -> Answer:
    """Return what an HTTP answer other than success means.

    Loki stores the good lines of a push of which it refuses others with 400, so such a push is never
    repeated, and only the refused lines are counted as far as the body tells their number.
    """
    detail = f"HTTP {status}: {' '.join(body.split())[:200]}"
    if status in (408, 429) or status >= 500:
        reason = "refused" if status == 429 else "unreachable"
        return Answer(Verdict.RETRY, reason, detail, retry_after=_seconds(retry_after))
    if status != 400:
        return Answer(Verdict.DROPPED, "refused", detail)
    counts = [int(number) for form in _COUNTS for number in form.findall(body)]
    lost = sum(counts) if counts else None
    if not _TOO_OLD.search(body):
        return Answer(Verdict.DROPPED, "invalid", detail, lost)
    found = _OLDEST.search(body)
    oldest = datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00").timestamp() if found else None
    return Answer(Verdict.DROPPED, "too_old", detail, lost, oldest)


def _seconds(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except ValueError:
            return None
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _cause(error: requests.RequestException) -> str:
    cause = error.__cause__ or error
    text = " ".join(str(cause).split())[:200]
    return f"{type(cause).__name__}: {text}"
