"""The live views of a daemon that schedules: what feeds them, and who may see which part."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp

from ...scheduler.api.identity import Authenticator
from ...scheduler.scheduler import Scheduler
from ...scheduler.settings import ApiSettings
from .alerts import FiringAlerts
from .feed import LiveFeed
from .recent_time import RecentTime
from .routes import LiveViews
from .scheduler_source import SchedulerSource
from .viewer import Viewers
from .web_logins import WebLogins


class LiveService:
    """Looks at the devices' time while it runs, and answers before the job API does."""

    def __init__(
        self,
        settings: ApiSettings,
        scheduler: Scheduler,
        authenticator: Authenticator,
        alertmanager_url: str | None,
    ) -> None:
        self._recent = RecentTime(scheduler.devices)
        alerts = FiringAlerts(alertmanager_url)
        self._feed = LiveFeed(SchedulerSource(scheduler, self._recent, alerts))
        logins = WebLogins(settings.web_session_seconds)
        viewers = Viewers(settings, scheduler.run_time, authenticator, logins)
        self._views = LiveViews(settings, self._feed, viewers, logins)
        self._looking: asyncio.Task[None] | None = None

    def before(self, application: ASGIApp) -> ASGIApp:
        """Return ``application`` behind the live views' own paths."""
        return self._views.before(application)

    def start(self) -> None:
        """Begin to look at the devices' time."""
        self._looking = asyncio.create_task(self._recent.run())

    def stop(self) -> None:
        """End the streams of all who watch."""
        if self._looking is not None:
            self._looking.cancel()
        self._feed.stop()
