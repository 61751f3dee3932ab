"""What one frame is made from, and what of it a click can hit."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.text import Text

from .glyphs import Glyphs
from .snapshot import Device, Job, Snapshot
from .view import View
from .words import Clock


@dataclass(slots=True)
class Hits:
    """Rows of the screen that show a device or a job, and the cells of a heading that sort."""

    devices: dict[int, str] = field(default_factory=dict)
    jobs: dict[int, int] = field(default_factory=dict)
    head: int | None = None
    columns: list[tuple[int, int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Picture:
    """A frame in the making; ``now`` is the moment by the daemon's clock."""

    snapshot: Snapshot
    view: View
    now: float
    width: int
    glyphs: Glyphs
    clock: Clock
    lines: list[Text] = field(default_factory=list)
    hits: Hits = field(default_factory=Hits)

    @property
    def shown(self) -> list[Device]:
        """The devices that are shown in detail."""
        names = self.view.devices(self.snapshot)
        return [device for device in self.snapshot.devices if device.name in names]

    @property
    def known(self) -> tuple[Job, ...]:
        """All jobs that the viewer may know of."""
        return self.snapshot.own_jobs if self.snapshot.all_jobs is None else self.snapshot.all_jobs
