"""What can go wrong in the scheduler, each with one clear line for the person who meets it."""

from __future__ import annotations


class SchedulerError(Exception):
    """Base of the scheduler's errors; ``status`` is the HTTP status that the API answers with."""

    status = 500


class AuthenticationError(SchedulerError):
    """Who is asking could not be established (401)."""

    status = 401


class PermissionDeniedError(SchedulerError):
    """Who is asking may not do this (403)."""

    status = 403


class NotFoundError(SchedulerError):
    """There is no such job, session or device, or it belongs to somebody else (404)."""

    status = 404


class AlreadyFinishedError(SchedulerError):
    """The job has ended, so that it cannot be cancelled (409)."""

    status = 409


class ConflictError(SchedulerError):
    """What is asked for contradicts how things are (409)."""

    status = 409


class InvalidRequestError(SchedulerError):
    """The request or its payload is wrong (422)."""

    status = 422


class UnavailableError(SchedulerError):
    """The store, a device or the MUNGE daemon cannot serve now (503); trying again later may work."""

    status = 503

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConfigurationError(SchedulerError):
    """The configuration cannot be used; the daemon does not start."""
