"""What the peer scheduler's HTTP API tells now: /accessible, /status and /qpu-slots, each a source."""

from __future__ import annotations

from .peer_answers import Accessible, Slots, Status, unix
from .peer_client import PeerClient
from .sighting import RunningJob, Sighting


class PeerRouteSource:
    """One route of the peer, asked every ``interval`` seconds."""

    name: str

    def __init__(self, client: PeerClient, interval: float) -> None:
        self._client = client
        self.interval = interval
        self.timeout = client.settings.timeout

    def accepted(self) -> None:
        """Nothing is read onward: each answer is the whole."""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


class PeerAccessible(PeerRouteSource):
    """Whether the peer is open to users; public."""

    name = "peer_accessible"

    async def poll(self) -> Sighting:
        """Ask ``GET /accessible``."""
        answer = await self._client.get("/accessible", Accessible, proven=False)
        return Sighting(accessible=answer.is_accessible, message=answer.message)


class PeerStatus(PeerRouteSource):
    """What runs, what waits, and who holds a session."""

    name = "peer_status"

    async def poll(self) -> Sighting:
        """Ask ``GET /status``."""
        answer = await self._client.get("/status", Status)
        job = answer.current_job
        running = None if job is None else RunningJob(job.id, unix(job.started_at), job.backend_id)
        if running is not None and running.job is not None and running.started_at is not None:
            self._client.saw_start(running.job, running.started_at)
        return Sighting(
            runs=job is not None,
            running=running,
            pending=answer.pending_jobs_count,
            sessions=len(answer.open_sessions),
        )


class PeerSlots(PeerRouteSource):
    """The slots that Slurm's licences follow."""

    name = "peer_qpu_slots"

    async def poll(self) -> Sighting:
        """Ask ``GET /qpu-slots``."""
        answer = await self._client.get("/qpu-slots", Slots, proven=True)
        return Sighting(max_slots=answer.total, available_slots=answer.available)
