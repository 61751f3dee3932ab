"""How properties are tested: without a bound on time, which a loaded machine would break."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("qwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("qwatch")
