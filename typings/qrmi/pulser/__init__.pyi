"""The Pulser connection of the ``qrmi`` wheel: it takes any object with a resource's methods."""

from collections.abc import Mapping, Sequence
from typing import Any

from pulser.devices import Device

class PulserQRMIConnection:
    def __init__(self, qrmi: object | None = None) -> None: ...
    def fetch_available_devices(self) -> dict[str, Device]: ...
    def submit(
        self,
        sequence: Any,
        wait: bool = True,
        open: bool = False,
        batch_id: str | None = None,
        *,
        job_params: Sequence[Mapping[str, Any]] = ...,
    ) -> Any: ...
    def get_batch_logs(self, batch_id: str | None = None) -> Sequence[str]: ...
    def cancel_batch_jobs(self, batch_id: str | None = None) -> None: ...
