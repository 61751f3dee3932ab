"""Turns a CUDA-Q analog program into a Pulser sequence for a device, as abstract representations (JSON).

Pulser is not imported: the API's process would need it and its seconds of import, and the result, ramps between
the given points, is exactly what the format can say. The program is held to the device's specs, so that what is
wrong is told at once, in the units in which it was sent.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from ..qrmi.atom_layout import Layout, Point, needs_layout, new_layout, own_layout
from .cudaq_program import CudaqProgram, DrivingField, TimeSeries
from .errors import InvalidRequestError

CHANNEL = "rydberg_global"
_DIGITS = 6
_TOLERANCE = 1e-6
_MOST_ATOMS = 1000
"""Where the device names no limit: pairs of atoms are compared."""

_HAMILTONIAN = "sequence.hamiltonian.drivingFields.0"
_REGISTER = "sequence.setup.ahs_register"


def sequence_for(program: CudaqProgram, specs: str) -> str:
    """Return ``program`` as a Pulser sequence for the device in ``specs``.

    Metres become µm, around the atoms' centre; rad/s become rad/µs. The format writes the coupling of ground to
    Rydberg state with exp(iφ), Pulser with exp(-iφ): the phase changes its sign.

    Raises:
        InvalidRequestError: with one line that says what the device cannot do.
    """
    device: dict[str, Any] = json.loads(specs)
    channel = _channel(device)
    register = _register(program, device)
    (drive,) = program.hamiltonian.drivingFields
    duration = _duration(drive, channel)
    pulse = {
        "op": "pulse",
        "channel": "ising",
        "protocol": "min-delay",
        "amplitude": _waveform(_points(drive.amplitude.time_series, "amplitude", duration, 1e-6), duration),
        "detuning": _waveform(_points(drive.detuning.time_series, "detuning", duration, 1e-6), duration),
        "phase": _phase(drive.phase.time_series),
        "post_phase_shift": 0.0,
    }
    _check_values(drive, channel)
    sequence: dict[str, Any] = {
        "version": "1",
        "name": "cudaq",
        "register": [{"name": f"q{number}", "x": x, "y": y} for number, (x, y) in enumerate(register.atoms)],
        "channels": {"ising": CHANNEL},
        "variables": {},
        "operations": [pulse],
        "measurement": "ground-rydberg",
        "device": device,
    }
    if register.traps:
        sequence["layout"] = {"coordinates": register.traps}
    return json.dumps(sequence, separators=(",", ":"))


def _channel(device: dict[str, Any]) -> dict[str, Any]:
    for channel in device.get("channels") or ():
        if channel.get("id") == CHANNEL:
            return dict(channel)
    raise InvalidRequestError(
        f"sequence: {device.get('name')} has no channel {CHANNEL}, which CUDA-Q programs use"
    )


def _register(program: CudaqProgram, device: dict[str, Any]) -> Layout:
    """Return the atoms' places and the traps that hold them; no traps for a device that needs no layout."""
    atoms = _atoms(program, device.get("max_atom_num") or _MOST_ATOMS)
    if not needs_layout(device):
        _check_places(atoms, device)
        return Layout([], atoms)
    # First, since CUDA-Q's rounding brings atoms that are in traps too close to each other.
    layout = own_layout(atoms, device)
    if layout is None:
        _check_places(atoms, device)
        layout = new_layout(atoms, device)
    if layout is None:
        raise InvalidRequestError(f"{_REGISTER}: the atoms fit none of the layouts of {device.get('name')}")
    return layout


def _atoms(program: CudaqProgram, most: int) -> list[Point]:
    """Return the places of the atoms in µm around their centre."""
    register = program.setup.ahs_register
    filled = [site for site, filling in zip(register.sites, register.filling, strict=True) if filling]
    if not filled:
        raise InvalidRequestError(f"{_REGISTER}: no site is filled")
    if len(filled) > most:
        raise InvalidRequestError(f"{_REGISTER}: {len(filled)} atoms, the device holds {most}")
    centre = [sum(axis) / len(filled) for axis in zip(*filled, strict=True)]
    return [(round((x - centre[0]) * 1e6, _DIGITS), round((y - centre[1]) * 1e6, _DIGITS)) for x, y in filled]


def _check_places(atoms: list[Point], device: dict[str, Any]) -> None:
    least, reach = device.get("min_atom_distance") or 0.0, device.get("max_radial_distance")
    closest = min((math.dist(a, b) for a, b in combinations(atoms, 2)), default=math.inf)
    if closest == 0.0 or closest < least - _TOLERANCE:
        raise InvalidRequestError(
            f"{_REGISTER}: two atoms are {closest:.6g} µm apart, the device needs at least {least:g} µm"
        )
    furthest = max(math.hypot(*atom) for atom in atoms)
    if reach is not None and furthest > reach + _TOLERANCE:
        raise InvalidRequestError(
            f"{_REGISTER}: an atom is {furthest:.6g} µm from the centre, the device reaches {reach:g} µm"
        )


def _duration(drive: DrivingField, channel: dict[str, Any]) -> int:
    series = (drive.amplitude, drive.detuning, drive.phase)
    duration = max(_nanoseconds(field.time_series.times[-1]) for field in series)
    clock, shortest = channel.get("clock_period") or 1, channel.get("min_duration") or 1
    if duration < shortest:
        raise InvalidRequestError(f"{_HAMILTONIAN}: it lasts {duration} ns, the channel needs {shortest} ns")
    longest = channel.get("max_duration")
    if longest is not None and duration > longest:
        raise InvalidRequestError(f"{_HAMILTONIAN}: it lasts {duration} ns, the channel at most {longest} ns")
    if duration % clock:
        raise InvalidRequestError(
            f"{_HAMILTONIAN}: it lasts {duration} ns, not a multiple of the channel's clock of {clock} ns"
        )
    return duration


def _check_values(drive: DrivingField, channel: dict[str, Any]) -> None:
    amplitudes, detunings = drive.amplitude.time_series.values, drive.detuning.time_series.values
    if min(amplitudes) < 0.0:
        raise InvalidRequestError(f"{_HAMILTONIAN}.amplitude: {min(amplitudes):.4g} rad/s is below 0")
    for name, largest, limit in (
        ("amplitude", max(amplitudes), channel.get("max_amp")),
        ("detuning", max(map(abs, detunings)), channel.get("max_abs_detuning")),
    ):
        if limit is not None and largest * 1e-6 > limit + _TOLERANCE:
            raise InvalidRequestError(
                f"{_HAMILTONIAN}.{name}: {largest:.4g} rad/s, the channel reaches {limit * 1e6:.4g} rad/s"
            )


@dataclass(frozen=True, slots=True)
class _Vertex:
    time: int
    value: float


def _points(series: TimeSeries, name: str, duration: int, scale: float) -> list[_Vertex]:
    points = [
        _Vertex(_nanoseconds(time), value * scale)
        for time, value in zip(series.times, series.values, strict=True)
    ]
    if len(points) == 1:
        return [*points, _Vertex(duration, points[0].value)]
    if points[-1].time != duration:
        raise InvalidRequestError(
            f"{_HAMILTONIAN}.{name}: it ends at {points[-1].time} ns, the Hamiltonian at {duration} ns: "
            "program the full duration"
        )
    if any(after.time == before.time for before, after in pairwise(points)):
        raise InvalidRequestError(f"{_HAMILTONIAN}.{name}: two times are less than 1 ns apart")
    return points


def _waveform(points: list[_Vertex], duration: int) -> dict[str, Any]:
    if all(point.value == points[0].value for point in points):
        return {"kind": "constant", "duration": duration, "value": points[0].value}
    parts = [
        {"kind": "ramp", "duration": after.time - before.time, "start": before.value, "stop": after.value}
        for before, after in pairwise(points)
    ]
    return parts[0] if len(parts) == 1 else {"kind": "composite", "waveforms": parts}


def _phase(series: TimeSeries) -> float:
    if any(value != series.values[0] for value in series.values):
        raise InvalidRequestError(
            f"{_HAMILTONIAN}.phase: it changes; the channel keeps its phase during a pulse: give a constant one"
        )
    return -series.values[0] % (2 * math.pi)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
