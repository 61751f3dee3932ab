"""What the viewer chose: device, jobs, order, filter; and what a key changes. It knows no terminal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .job_table import COLUMNS, SORTABLE
from .snapshot import Job, Snapshot


class Mode(Enum):
    """What the next key means."""

    BROWSE = auto()
    FILTER = auto()
    CONFIRM = auto()
    HELP = auto()


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """A cancellation that the viewer confirmed; ``own`` jobs are canceled as their user."""

    job: Job
    own: bool


class Quit:
    """The viewer wants to leave."""


Order = CancelOrder | Quit


@dataclass(slots=True)
class View:
    """The choices of one viewer; ``selected`` is a job, so that the choice stays with it when rows move."""

    device: str | None = None
    everyone: bool = True
    column: str = "place"
    reverse: bool = False
    filter: str = ""
    selected: int | None = None
    mode: Mode = Mode.BROWSE
    paused: bool = False
    said: str = ""
    asked: Job | None = None
    page: int = 10
    """How many rows of jobs the last frame had room for."""

    def devices(self, snapshot: Snapshot) -> list[str]:
        """Return the names of the devices that are shown in detail."""
        names = [device.name for device in snapshot.devices]
        return [self.device] if self.device in names else names

    def jobs(self, snapshot: Snapshot) -> list[Job]:
        """Return the jobs that are shown, in their order."""
        shown = self.devices(snapshot)
        wanted = self.filter.casefold().split()
        found = [
            job
            for job in self._offered(snapshot)
            if job.device in shown and all(word in _text(job) for word in wanted)
        ]
        key = SORTABLE.get(self.column, SORTABLE["place"])
        # Among equals the newest of what ended is first, of the rest the oldest.
        found.sort(key=lambda job: (job.ended_at is not None, -(job.ended_at or 0.0), job.id))
        told = [job for job in found if key(job) is not None]
        # What is not known is at the end, in whichever direction.
        unknown = [job for job in found if key(job) is None]
        told.sort(key=lambda job: key(job) or 0, reverse=self.reverse)
        return told + unknown

    def shows_everyone(self, snapshot: Snapshot) -> bool:
        """Whether everybody's jobs are shown: chosen, and told by the daemon."""
        return self.everyone and snapshot.all_jobs is not None

    def chosen(self, snapshot: Snapshot) -> Job | None:
        """Return the job that the cursor is on, the first one if it is on none that is shown."""
        jobs = self.jobs(snapshot)
        return next((job for job in jobs if job.id == self.selected), jobs[0] if jobs else None)

    def press(self, key: str, snapshot: Snapshot | None) -> Order | None:
        """Take a key (a character, or a name such as ``down``); return what is to be done, if anything."""
        if self.mode is Mode.FILTER:
            self._edit_filter(key)
            return None
        if self.mode is Mode.CONFIRM:
            return self._answer(key, snapshot)
        if self.mode is Mode.HELP:
            self.mode = Mode.BROWSE
            return Quit() if key == "q" else None
        self.said = ""
        if key in ("q", "Q"):
            return Quit()
        if key in ("?", "h"):
            self.mode = Mode.HELP
        elif key in (" ", "p"):
            self.paused = not self.paused
        elif snapshot is not None:
            self._browse(key, snapshot)
        return None

    def _browse(self, key: str, snapshot: Snapshot) -> None:
        match key:
            case "/" | "f":
                self.mode = Mode.FILTER
            case "escape":
                self.filter = ""
            case "s" | "right":
                self._sort(1, snapshot)
            case "S" | "left":
                self._sort(-1, snapshot)
            case "r":
                self.reverse = not self.reverse
            case "d" | "tab":
                self._next_device(1, snapshot)
            case "D" | "backtab":
                self._next_device(-1, snapshot)
            case "a":
                if snapshot.all_jobs is None:
                    self.said = "only administrators see other users' jobs"
                else:
                    self.everyone = not self.everyone
            case "c" | "delete":
                self._ask(snapshot)
            case _:
                self._move(key, snapshot)

    def _move(self, key: str, snapshot: Snapshot) -> None:
        jobs = self.jobs(snapshot)
        key = {"k": "up", "j": "down"}.get(key, key)
        steps = {
            "up": -1, "down": 1, "page_up": -self.page, "page_down": self.page,
            "home": -len(jobs), "end": len(jobs),
        }  # fmt: skip
        if key not in steps or not jobs:
            return
        at = next((row for row, job in enumerate(jobs) if job.id == self.selected), 0)
        self.selected = jobs[min(max(at + steps[key], 0), len(jobs) - 1)].id

    def sort_by(self, column: str) -> None:
        """Order by a column; by the same one again, the other way round."""
        if column in SORTABLE:
            self.reverse = column == self.column and not self.reverse
            self.column = column

    def _sort(self, step: int, snapshot: Snapshot) -> None:
        everyone = self.shows_everyone(snapshot)
        names = [item.key for item in COLUMNS if item.key in SORTABLE and (everyone or not item.of_others)]
        at = names.index(self.column) if self.column in names else 0
        self.column, self.reverse = names[(at + step) % len(names)], False

    def _next_device(self, step: int, snapshot: Snapshot) -> None:
        names = [None, *(device.name for device in snapshot.devices)]
        at = names.index(self.device) if self.device in names else 0
        self.device = names[(at + step) % len(names)]

    def _ask(self, snapshot: Snapshot) -> None:
        job = self.chosen(snapshot)
        if job is None:
            self.said = "there is no job to cancel"
        elif job.state not in ("PENDING", "RUNNING"):
            self.said = f"job {job.id} has ended: {job.state}"
        else:
            self.asked, self.mode = job, Mode.CONFIRM

    def _answer(self, key: str, snapshot: Snapshot | None) -> Order | None:
        job, self.asked, self.mode = self.asked, None, Mode.BROWSE
        if key in ("y", "Y") and job is not None:
            self.said = f"canceling job {job.id} …"
            own = snapshot is not None and any(item.id == job.id for item in snapshot.own_jobs)
            return CancelOrder(job, own)
        self.said = "nothing was canceled"
        return None

    def _edit_filter(self, key: str) -> None:
        if key == "enter":
            self.mode = Mode.BROWSE
        elif key == "escape":
            self.mode, self.filter = Mode.BROWSE, ""
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif len(key) == 1 and key.isprintable() and len(self.filter) < 100:
            self.filter += key

    def _offered(self, snapshot: Snapshot) -> tuple[Job, ...]:
        if self.everyone and snapshot.all_jobs is not None:
            return snapshot.all_jobs
        return snapshot.own_jobs


def _text(job: Job) -> str:
    words = (job.id, job.device, job.job_class, job.state, job.user, job.account)
    return " ".join(str(word) for word in words if word is not None).casefold()
