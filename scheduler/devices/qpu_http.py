"""The on-premises QPU's HTTP API: jobs by uid, one at a time, replies wrapped in ``data``."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from ..jobs import JobState
from ..settings import DeviceSettings
from .adapter import (
    DeviceForgotError,
    DeviceJob,
    DeviceRefusedError,
    DeviceUnreachableError,
    NotSearchableError,
    OperationalStatus,
    ResourceReport,
    SliceRequest,
)
from .client_credentials import ClientCredentials

_logger = logging.getLogger(__name__)

_CANNOT_CANCEL = "3003"
_SEARCH_AHEAD = 64
_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_OK = 300


class QpuHttpAdapter:
    """One QPU, real or emulated, behind the on-premises API."""

    resource_type = "pasqal-local"

    def __init__(self, settings: DeviceSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        assert settings.url is not None
        self._name = settings.name
        self._zone = ZoneInfo(settings.timezone) if settings.timezone else None
        auth = None if settings.auth is None else ClientCredentials(settings.auth)
        self._client = httpx.AsyncClient(
            base_url=f"{settings.url}/api/v1", timeout=_TIMEOUT, auth=auth, transport=transport
        )

    async def operational_status(self) -> OperationalStatus:
        """``UP`` is operational; any other word is not, and is the reason."""
        data = await self._get("/system/operational")
        word = str(data.get("operational_status", "no word"))
        return OperationalStatus(word == "UP", word)

    async def specs(self) -> str:
        """Return Pulser's abstract representation of the device."""
        found = (await self._get("/system")).get("specs")
        return found if isinstance(found, str) else json.dumps(found)

    async def report(self) -> ResourceReport | None:
        """Return None: the on-premises API is not QRMI."""
        return None

    async def post(self, request: SliceRequest) -> str:
        """Post a slice, once: a POST whose reply is lost is searched for, never repeated blindly."""
        body = {
            "nb_run": request.shots,
            "pulser_sequence": request.sequence,
            "context": {"batch_id": request.context_id, "pasqman_job_id": str(request.job_id)},
        }
        try:
            response = await self._client.post("/jobs", json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise self._unreachable(error) from error
        except httpx.TimeoutException as error:
            raise self._unreachable(error, maybe_taken=True, maybe_later=True) from error
        except httpx.HTTPError as error:
            raise self._unreachable(error, maybe_taken=True) from error
        if response.status_code >= 500:
            # 503 says that the request was not handled; any other 5xx may come after the job was taken.
            taken = response.status_code != httpx.codes.SERVICE_UNAVAILABLE
            raise DeviceUnreachableError(self._answer(response), maybe_taken=taken)
        if response.status_code >= _OK:
            raise DeviceRefusedError(self._answer(response), user_error=response.status_code in (400, 413, 422))
        try:
            return str(response.json()["data"]["uid"])
        except (ValueError, KeyError, TypeError) as error:
            raise DeviceUnreachableError(
                f"{self._name}: answered the POST without a uid", maybe_taken=True
            ) from error

    async def search(self, request: SliceRequest) -> str | None:
        """Read uids upward from the last known one and compare the context.

        The last known one is looked at too: a device that was restarted counts anew, so that it may have
        given that very uid to this slice. If it does not know that uid any more, what is not found may have
        run all the same.
        """
        walkable = request.last_uid is not None and await self._knows(request.last_uid)
        uid = int(request.last_uid) if walkable and request.last_uid is not None else 0
        missing = 0
        while missing < _SEARCH_AHEAD:
            try:
                data = await self._job(uid)
            except DeviceForgotError:
                missing += 1
            else:
                missing = 0
                context = data.get("context")
                if isinstance(context, dict) and context.get("batch_id") == request.context_id:
                    return str(uid)
            uid += 1
        if not walkable:
            raise NotSearchableError(f"{self._name}: no uid is known to search from")
        return None

    async def fetch(self, uid: str) -> DeviceJob:
        """Return the job as it is now."""
        return self._device_job(await self._job(uid))

    async def cancel(self, uid: str) -> DeviceJob:
        """Cancel; a job that cannot be cancelled any more is fetched again."""
        response = await self._request("PUT", f"/jobs/{uid}/cancel")
        if response.status_code == 400 and _CANNOT_CANCEL in response.text:
            return await self.fetch(uid)
        if response.status_code == 400:
            raise DeviceForgotError(self._answer(response))
        return self._device_job(self._data(response))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _knows(self, uid: str) -> bool:
        try:
            await self._job(uid)
        except DeviceForgotError:
            return False
        return True

    async def _job(self, uid: str | int) -> dict[str, Any]:
        response = await self._request("GET", f"/jobs/{uid}")
        if response.status_code in (400, 404):
            raise DeviceForgotError(self._answer(response))
        return self._data(response)

    async def _get(self, path: str) -> dict[str, Any]:
        return self._data(await self._request("GET", path))

    async def _request(self, method: str, path: str) -> httpx.Response:
        try:
            return await self._client.request(method, path)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _data(self, response: httpx.Response) -> dict[str, Any]:
        if response.status_code >= _OK:
            raise DeviceUnreachableError(self._answer(response))
        try:
            data = response.json()["data"]
        except (ValueError, KeyError, TypeError) as error:
            raise DeviceUnreachableError(f"{self._name}: the answer is not the QPU API's") from error
        if not isinstance(data, dict):
            raise DeviceUnreachableError(f"{self._name}: the answer holds no object in 'data'")
        return data

    def _device_job(self, data: dict[str, Any]) -> DeviceJob:
        try:
            return DeviceJob(
                uid=str(data["uid"]),
                state=JobState(data["status"]),
                results=_as_text(data.get("result")),
                error=_as_text(data.get("error")),
                started_at=self._unix(data.get("start_datetime")),
                ended_at=self._unix(data.get("end_datetime")),
                progress=data.get("progress"),
            )
        except (KeyError, ValueError) as error:
            raise DeviceUnreachableError(
                f"{self._name}: the job in the answer is not valid: {error}"
            ) from error

    def _unix(self, value: object) -> float | None:
        """Local time without zone, as the API has it; None where it is absent or unreadable."""
        if not isinstance(value, str):
            return None
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return None
        if parsed.tzinfo is None and self._zone is not None:
            parsed = parsed.replace(tzinfo=self._zone)
        return parsed.timestamp()

    def _answer(self, response: httpx.Response) -> str:
        try:
            body = response.json()
            message = body.get("message") or body.get("detail") or body
        except (ValueError, AttributeError):
            message = response.text[:200]
        return f"{self._name}: HTTP {response.status_code}: {message}"

    def _unreachable(
        self, error: Exception, *, maybe_taken: bool = False, maybe_later: bool = False
    ) -> DeviceUnreachableError:
        reason = str(error) or type(error).__name__
        return DeviceUnreachableError(
            f"{self._name}: does not answer: {reason}", maybe_taken=maybe_taken, maybe_later=maybe_later
        )


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
