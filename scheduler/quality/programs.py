"""The sequences of the experiments, made with Pulser for one device: its layout, its channel, its limits."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, cast

from .exact import exact_distribution
from .experiments import Plan, PlanOrder, Program

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pulser import Register, Sequence
    from pulser.channels.base_channel import Channel
    from pulser.devices import Device

NOMINAL_RABI_FREQUENCY = 2 * math.pi
"""Of every scan in rad/µs (1 MHz), or the most that the channel gives."""

SCAN = (0.5, 2.0, 2.5, 3.5, 4.0, 5.5, 6.5)
"""Areas of the scan in units of π: odd halves, with slopes of both signs, tell the frequency, whole ones the
contrast; short ones tell which branch of the sine the long ones are on."""

MOST_FREE_ATOMS = 4
_LARGEST_FREE_INTERACTION = 1e-3
"""Of the Rabi frequency: then what the atoms of a scan feel of each other is far below what it resolves."""

_CHANNEL = "global"
_DARK = 0.1
"""In µs: how long the sequence without a pulse waits."""
_CHAIN_ATOMS = 5


class NoExperimentError(Exception):
    """The device is none that these experiments can be made for; the message is one line."""


def plan(order: PlanOrder) -> Plan:
    """Return the programs that are asked for.

    Raises:
        NoExperimentError: the specs are not Pulser's, or the device cannot run one of the experiments.
    """
    return _Programs(order).plan()


class _Programs:
    def __init__(self, order: PlanOrder) -> None:
        self._order = order
        self._device = _device(order.specs)
        self._channel_id, self._channel = _global_channel(self._device)
        self._rabi = min(NOMINAL_RABI_FREQUENCY, self._channel.max_amp or math.inf)

    def plan(self) -> Plan:
        made: list[Program] = []
        wanted: set[str] = set(self._order.experiments)
        if wanted & {"readout", "rabi"}:
            made += self._free(wanted)
        if "blockade" in wanted:
            made.append(self._blockade())
        if "antiferromagnet" in wanted:
            made.append(self._antiferromagnet())
        return Plan(channel="rydberg_global", rabi_frequency=self._rabi, programs=tuple(made))

    def _free(self, wanted: set[str]) -> list[Program]:
        """Resonant pulses on atoms that do not feel each other: each atom of a shot is a sample of its own."""
        register = self._far_apart()
        areas = {"readout": (0.0, 1.0), "rabi": SCAN} if "readout" in wanted else {"rabi": (0.0, 1.0, *SCAN)}
        made = []
        for experiment, multiples in areas.items():
            if experiment not in wanted:
                continue
            for multiple in multiples:
                duration = self._rounded(multiple * math.pi / self._rabi)
                if duration > self._longest():
                    continue
                sequence = self._sequence(register)
                _add_constant(sequence, duration or self._rounded(_DARK), self._rabi if multiple else 0.0)
                made.append(
                    Program.model_validate(
                        {
                            "name": f"{experiment} {multiple:g}π",
                            "experiment": experiment,
                            "sequence": self._text(sequence),
                            "atoms": len(register.qubit_ids),
                            "area": self._rabi * duration,
                            "duration": duration,
                        }
                    )
                )
        return made

    def _blockade(self) -> Program:
        """Two atoms that cannot be excited together: they share one excitation, √2 times as fast."""
        sequence = self._sequence(self._chain(2))
        _add_constant(sequence, self._rounded(3.5 * math.pi / (math.sqrt(2) * self._rabi)), self._rabi)
        return self._benchmark("blockade", sequence)

    def _antiferromagnet(self) -> Program:
        """A sweep of the detuning through the transition into every second atom excited."""
        from pulser import Pulse
        from pulser.waveforms import ConstantWaveform, RampWaveform

        rise, sweep = self._nanoseconds(0.3), self._nanoseconds(1.2)
        low, high = -self._rabi, 1.3 * self._rabi
        limit = self._channel.max_abs_detuning
        if limit is not None:
            low, high = max(low, -limit), min(high, limit)
        sequence = self._sequence(self._chain(_CHAIN_ATOMS))
        for amplitude, detuning in (
            (RampWaveform(rise, 0.0, self._rabi), ConstantWaveform(rise, low)),
            (ConstantWaveform(sweep, self._rabi), RampWaveform(sweep, low, high)),
            (RampWaveform(rise, self._rabi, 0.0), ConstantWaveform(rise, high)),
        ):
            sequence.add(Pulse(amplitude, detuning, 0.0), _CHANNEL)
        return self._benchmark("antiferromagnet", sequence)

    def _benchmark(self, name: str, sequence: Sequence[Any]) -> Program:
        return Program.model_validate(
            {
                "name": name,
                "experiment": name,
                "sequence": self._text(sequence),
                "atoms": len(sequence.register.qubit_ids),
                "exact": exact_distribution(sequence, modulated=self._order.modulated),
            }
        )

    def _sequence(self, register: Register) -> Sequence[Any]:
        from pulser import Sequence

        sequence = Sequence(register, self._device)
        sequence.declare_channel(_CHANNEL, self._channel_id)
        return sequence

    def _text(self, sequence: Sequence[Any]) -> str:
        if not sequence.is_measured():
            sequence.measure("ground-rydberg")
        return str(sequence.to_abstract_repr())

    def _longest(self) -> float:
        limits = [self._device.max_sequence_duration, self._channel.max_duration]
        return min((limit / 1000 for limit in limits if limit is not None), default=math.inf)

    def _nanoseconds(self, microseconds: float) -> int:
        period = self._channel.clock_period
        return max(round(microseconds * 1000 / period) * period, self._channel.min_duration)

    def _rounded(self, microseconds: float) -> float:
        """Return a duration that the channel can have; its area is told by this one."""
        return self._nanoseconds(microseconds) / 1000 if microseconds else 0.0

    def _far_apart(self) -> Register:
        """Return the largest register, up to MOST_FREE_ATOMS, whose atoms do not feel each other."""
        nearest = (self._device.interaction_coeff / (_LARGEST_FREE_INTERACTION * self._rabi)) ** (1 / 6)
        for layout in self._layouts():
            traps = {int(number): tuple(map(float, place)) for number, place in layout.traps_dict.items()}
            for count in range(MOST_FREE_ATOMS, 0, -1):
                chosen = _spread(traps, count)
                if _nearest(traps[number] for number in chosen) >= nearest:
                    return cast("Register", layout.define_register(*chosen))
        return self._own_register(_circle(self._device, nearest))

    def _chain(self, atoms: int) -> Register:
        """Return neighbouring traps in a line, so near that their atoms cannot be excited together."""
        for layout in self._layouts():
            traps = {int(number): tuple(map(float, place)) for number, place in layout.traps_dict.items()}
            chosen = _line(traps, atoms)
            if chosen is not None and self._blockaded(_nearest(traps[number] for number in chosen)):
                return cast("Register", layout.define_register(*chosen))
        spacing = max(self._device.min_atom_distance, 5.0)
        if not self._blockaded(spacing):
            raise NoExperimentError("no blockade: the device keeps its atoms too far apart")
        return self._own_register([(spacing * (i - (atoms - 1) / 2), 0.0) for i in range(atoms)])

    def _blockaded(self, distance: float) -> bool:
        return bool(self._device.interaction_coeff / distance**6 > 2 * self._rabi)

    def _layouts(self) -> list[Any]:
        return list(getattr(self._device, "calibrated_register_layouts", {}).values())

    def _own_register(self, places: list[tuple[float, float]]) -> Register:
        from pulser import Register

        register = Register.from_coordinates(places, center=False, prefix="q")
        try:
            return register.with_automatic_layout(self._device) if self._device.requires_layout else register
        except (ValueError, TypeError, RuntimeError) as error:
            raise NoExperimentError(f"no register for an experiment fits the device: {error}") from error


def _device(specs: str) -> Device:
    from pulser.devices import Device

    # Pulser's deserialiser raises whatever its own constructors raise.
    try:
        return Device.from_abstract_repr(specs)
    except Exception as error:
        line = str(error).strip().splitlines()
        raise NoExperimentError(
            f"the specs are not those of a Pulser device: {line[0] if line else error!r}"
        ) from error


def _global_channel(device: Device) -> tuple[str, Channel]:
    for name, channel in device.channels.items():
        if channel.basis == "ground-rydberg" and channel.addressing == "Global":
            return name, channel
    raise NoExperimentError(f"{device.name} has no global Rydberg channel")


def _add_constant(sequence: Sequence[Any], duration: float, amplitude: float) -> None:
    from pulser import Pulse

    sequence.add(Pulse.ConstantPulse(round(duration * 1000), amplitude, 0.0, 0.0), _CHANNEL)


def _nearest(places: Iterable[tuple[float, ...]]) -> float:
    return min(
        (math.dist(one, other) for one, other in itertools.combinations(list(places), 2)), default=math.inf
    )


def _spread(traps: dict[int, tuple[float, ...]], count: int) -> list[int]:
    """Return traps far from each other: the outermost, then always the farthest from those before."""
    chosen = [max(traps, key=lambda number: math.hypot(*traps[number]))]
    while len(chosen) < min(count, len(traps)):
        chosen.append(
            max(traps, key=lambda number: min(math.dist(traps[number], traps[taken]) for taken in chosen))
        )
    return chosen


def _line(traps: dict[int, tuple[float, ...]], count: int) -> list[int] | None:
    """Return neighbouring traps in a line near the centre, or None if the layout has no such line."""
    if len(traps) < count:
        return None
    spacing = _nearest(traps.values())
    by_place = {tuple(round(value, 3) for value in place): number for number, place in traps.items()}
    for first in sorted(traps.values(), key=lambda place: math.hypot(*place)):
        for second in traps.values():
            if not math.isclose(math.dist(first, second), spacing, rel_tol=1e-3):
                continue
            step = [b - a for a, b in zip(first, second, strict=True)]
            middle = (count - 1) // 2
            places = [
                tuple(round(start + (index - middle) * by, 3) for start, by in zip(first, step, strict=True))
                for index in range(count)
            ]
            if all(place in by_place for place in places):
                return [by_place[place] for place in places]
    return None


def _circle(device: Device, nearest: float) -> list[tuple[float, float]]:
    """Return places on the largest circle that the device has, as many as stay apart on it."""
    radius = 0.99 * device.max_radial_distance if device.max_radial_distance else nearest
    for count in range(MOST_FREE_ATOMS, 1, -1):
        if 2 * radius * math.sin(math.pi / count) >= nearest:
            angles = [2 * math.pi * index / count for index in range(count)]
            return [(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]
    return [(0.0, 0.0)]
