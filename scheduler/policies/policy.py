"""How the next slice is chosen. A policy is one small file here and one line in ``policy_named``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from ..errors import ConfigurationError
from ..jobs import Job


@dataclass(frozen=True, slots=True)
class Choice:
    """The job to go on with, and how many of its shots."""

    job: Job
    shots: int


class Policy(Protocol):
    """Chooses from the pending jobs of one device, inside the transaction that will claim the choice."""

    name: str

    def choose(self, connection: Connection, qpu_id: str) -> Choice | None:
        """Return what is to run next on a device, or None if nothing waits."""


def policy_named(name: str) -> Policy:
    """Return the policy that the configuration names; ConfigurationError if there is none of that name."""
    from .fifo import FifoPolicy

    policies: dict[str, type[Policy]] = {"fifo": FifoPolicy}
    if name not in policies:
        raise ConfigurationError(f"scheduler.policy {name!r} is not one of {', '.join(policies)}")
    return policies[name]()
