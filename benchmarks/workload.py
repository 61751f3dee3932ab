"""What the benchmarks submit: a sequence of realistic size, and the specs of the device it is made for."""

from __future__ import annotations

import json
from functools import cache

DEVICE = "BENCH"


@cache
def specs() -> str:
    """Return a real Pulser device in its abstract representation, under the benchmark's name."""
    import pulser

    found = json.loads(pulser.AnalogDevice.to_abstract_repr())
    found["name"] = DEVICE
    return json.dumps(found)


@cache
def sequence(size: int = 3500) -> str:
    """Return a Pulser sequence of at least ``size`` bytes: sweeps over a ring of atoms."""
    import pulser
    from pulser.json.abstract_repr.deserializer import deserialize_device

    device = deserialize_device(specs())
    assert isinstance(device, pulser.devices.Device)
    register = pulser.Register.from_coordinates(_ring(8, 6.0), prefix="q")
    made = pulser.Sequence(register.with_automatic_layout(device), device)
    made.declare_channel("ising", "rydberg_global")
    text = ""
    while len(text) < size and made.get_duration() < 5000:
        rise = pulser.RampWaveform(100, 0.0, 6.0)
        sweep = pulser.RampWaveform(100, -20.0, 20.0)
        made.add(pulser.Pulse(rise, sweep, 0.0), "ising")
        text = made.to_abstract_repr()
    return text


def _ring(atoms: int, spacing: float) -> list[tuple[float, float]]:
    from math import cos, pi, sin

    radius = spacing / (2 * sin(pi / atoms))
    return [(radius * cos(2 * pi * n / atoms), radius * sin(2 * pi * n / atoms)) for n in range(atoms)]
