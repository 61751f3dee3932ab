"""What is running, as one series to join with."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import version

from ..collectors.interface import Sample
from ..telemetry import own_metrics


class BuildInfoCollector:
    """Tells version, source revision (from ``QWATCH_REVISION``) and the store's schema."""

    name = "build"
    metrics = (own_metrics.BUILD_INFO,)

    def __init__(self, schema: str) -> None:
        self._labels = {
            "version": version("qwatch"),
            "revision": os.environ.get("QWATCH_REVISION", "unknown"),
            "schema": schema,
        }

    def collect(self) -> Iterable[Sample]:
        """Return the one series."""
        yield Sample(own_metrics.BUILD_INFO, self._labels, 1.0)
