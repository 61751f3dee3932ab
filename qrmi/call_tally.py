"""What a process did with a resource, in numbers small enough to be told to the daemon after a session."""

from __future__ import annotations

import threading

from ..telemetry.catalogue import OTHER
from ..telemetry.labels import OPERATIONS, QRMI_ERROR_TYPES


class CallTally:
    """Calls by operation and error type, and bytes, since they were last taken."""

    def __init__(self, resource_type: str, sdk: str | None) -> None:
        self._resource_type = resource_type
        self._sdk = sdk
        self.reset()

    def reset(self) -> None:
        """Count from zero, with a lock that nobody holds."""
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], int] = {}
        self._bytes = {"sent": 0, "received": 0}

    def written_with(self, sdk: str) -> None:
        """Note the SDK that was seen first, where the program named none."""
        self._sdk = self._sdk or sdk

    def called(self, operation: str, error_type: str) -> None:
        """Count a call; ``error_type`` is the class of its error, empty on success."""
        key = (operation, error_type)
        with self._lock:
            try:
                self._calls[key] += 1
            except KeyError:
                # The enumerations are closed, so that this stays small whatever a program raises.
                known = (
                    operation if operation in OPERATIONS else OTHER,
                    error_type if error_type in QRMI_ERROR_TYPES else OTHER,
                )
                self._calls[known] = self._calls.get(known, 0) + 1

    def moved(self, direction: str, size: int) -> None:
        """Count the bytes of a payload ``sent`` or of a result ``received``."""
        with self._lock:
            self._bytes[direction] += size

    def take(self) -> dict[str, object] | None:
        """Return the summary as the daemon takes it, and count from zero; None if there is nothing to tell."""
        with self._lock:
            calls, self._calls = self._calls, {}
            moved, self._bytes = self._bytes, {"sent": 0, "received": 0}
        if not calls:
            return None
        return {
            "resource_type": self._resource_type,
            "sdk": self._sdk,
            "calls": [
                {"operation": operation, "error_type": error_type, "count": count}
                for (operation, error_type), count in sorted(calls.items())
            ],
            "polls": sum(count for (operation, _), count in calls.items() if operation == "task_status"),
            "bytes_sent": moved["sent"],
            "bytes_received": moved["received"],
        }
