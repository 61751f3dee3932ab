"""Traps for a register, on devices that take atoms only from a layout of traps. Lengths in µm."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Point = tuple[float, float]

_DIGITS = 6
_NEAR = 0.02
"""How far an atom may be from a trap to be in it: CUDA-Q writes positions to 0.01 µm."""

_MARGIN = 1.0001


@dataclass(frozen=True, slots=True)
class Layout:
    """Traps, and the atoms at the places of theirs."""

    traps: list[Point]
    atoms: list[Point]


def needs_layout(device: dict[str, Any]) -> bool:
    """Tell whether a device takes atoms from a layout only: Pulser's rule for a device that does not say."""
    return bool(device.get("requires_layout", not device.get("is_virtual", False)))


def layout_for(atoms: Sequence[Point], device: dict[str, Any]) -> Layout | None:
    """Return a layout for ``atoms``: one of the device's own, else a new one if it takes that, else None."""
    return own_layout(atoms, device) or new_layout(atoms, device)


def own_layout(atoms: Sequence[Point], device: dict[str, Any]) -> Layout | None:
    """Return the layout of the device's own that ``atoms`` fit, moved together to where the traps are."""
    for layout in device.get("pre_calibrated_layouts") or ():
        traps = [(float(x), float(y)) for x, y in layout["coordinates"]]
        if len(atoms) <= _filling(device) * len(traps) and (placed := _placed(atoms, traps)) is not None:
            return Layout(traps, placed)
    return None


def new_layout(atoms: Sequence[Point], device: dict[str, Any]) -> Layout | None:
    """Return a layout around ``atoms`` where they are; None if the device takes no new ones or has no room."""
    if not device.get("accepts_new_layouts", True):
        return None
    wanted = max(math.ceil(len(atoms) / _filling(device)), int(device.get("min_layout_traps") or 1))
    traps = _with_more(atoms, wanted, device)
    most = device.get("max_layout_traps")
    if len(traps) < wanted or (most is not None and len(traps) > most):
        return None
    return Layout(traps, list(atoms))


def _filling(device: dict[str, Any]) -> float:
    return float(device.get("max_layout_filling") or 0.5)


def _placed(atoms: Sequence[Point], traps: Sequence[Point]) -> list[Point] | None:
    """Return the traps that the atoms, moved together, are in; None if there is no such move."""
    first = atoms[0]
    for x, y in traps:
        found: list[Point] = []
        for atom in atoms:
            place = (atom[0] - first[0] + x, atom[1] - first[1] + y)
            trap = min(traps, key=lambda trap, place=place: math.dist(trap, place))  # type: ignore[misc]
            if math.dist(trap, place) > _NEAR:
                break
            found.append(trap)
        if len(set(found)) == len(atoms):
            return found
    return None


def _with_more(atoms: Sequence[Point], wanted: int, device: dict[str, Any]) -> list[Point]:
    """Return the atoms' places and as many more as are wanted, the nearest to the centre first."""
    distance = float(device.get("min_atom_distance") or 1.0) * _MARGIN
    traps = list(atoms)
    for point in _lattice(distance, float(device.get("max_radial_distance") or 50.0)):
        if len(traps) >= wanted:
            break
        if all(math.dist(point, trap) >= distance for trap in atoms):
            traps.append(point)
    return traps


def _lattice(spacing: float, reach: float) -> Iterator[Point]:
    """Yield the points of a triangular lattice within ``reach``, by their distance from the centre."""
    count = math.ceil(reach / (spacing * math.sqrt(3) / 2))
    points = [
        ((x + y / 2) * spacing, y * spacing * math.sqrt(3) / 2)
        for y in range(-count, count + 1)
        for x in range(-2 * count, 2 * count + 1)
    ]
    for point in sorted(points, key=lambda point: (round(math.hypot(*point), _DIGITS), point)):
        if math.hypot(*point) > reach:
            return
        yield round(point[0], _DIGITS), round(point[1], _DIGITS)
