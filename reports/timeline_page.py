"""Where the time of one job or one session went, as one HTML file that needs nothing else."""

from __future__ import annotations

from .timeline_model import TimelinePage


def render_timeline(page: TimelinePage) -> str:
    """Return the page of a job's or a session's time."""
    raise NotImplementedError(page.name)
