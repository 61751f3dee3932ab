"""What is stored about a device: its last known specs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from .tables import devices


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """The stored facts of one device."""

    specs: str | None


def load_or_create(connection: Connection, qpu_id: str) -> DeviceRecord:
    """Return a device's record, written now if there was none."""
    row = connection.execute(select(devices).where(devices.c.qpu_id == qpu_id)).first()
    if row is None:
        connection.execute(insert(devices).values(qpu_id=qpu_id))
        return DeviceRecord(specs=None)
    return DeviceRecord(specs=row.specs)


def set_specs(connection: Connection, qpu_id: str, specs: str) -> None:
    """Remember a device's specs."""
    connection.execute(update(devices).where(devices.c.qpu_id == qpu_id).values(specs=specs))
