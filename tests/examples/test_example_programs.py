"""The example programs: their physics against brute force, and a whole run without a daemon."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest

pytest.importorskip("pulser")

import qrmi.pulser.connection
from pulser.devices import Device

from qwatch.emulator.execution import execute
from qwatch.emulator.specs import device_specs, validate_sequence
from qwatch.examples import antiferromagnet, maximum_independent_set

SPECS = device_specs("EMU")


@pytest.fixture(scope="module")
def device():
    return Device.from_abstract_repr(SPECS)


@pytest.fixture(autouse=True)
def _fast_polls_and_no_job(monkeypatch, tmp_path):
    monkeypatch.setattr(qrmi.pulser.connection, "JOB_EXECUTION_POLLING_INTERVAL_S", 0.02)
    for name in list(os.environ):
        if name.startswith(("QRMI_", "SLURM_JOB_QPU", "QWATCH_")) or "_QRMI_" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def ordered(device):
    """What the preparation on six atoms gives."""
    sequence = antiferromagnet.adiabatic_sequence(antiferromagnet.ring(6, device), device)
    return execute(sequence.to_abstract_repr(), 1000, seed=5)


def test_the_correlation_alternates_in_sign(ordered):
    correlations = antiferromagnet.connected_correlations(ordered)
    assert len(correlations) == 3
    assert [value < -0.1 for value in correlations] == [True, False, True]
    assert correlations[1] > 0.1
    assert antiferromagnet.staggered_magnetisation(ordered) > 0.8
    assert (ordered.get("010101", 0) + ordered.get("101010", 0)) / 1000 > 0.6


def test_correlations_of_known_states():
    order = {"0101": 50, "1010": 50}
    assert antiferromagnet.connected_correlations(order) == pytest.approx([-0.25, 0.25])
    assert antiferromagnet.staggered_magnetisation(order) == pytest.approx(1.0)
    product = {"".join(bits): 1 for bits in itertools.product("01", repeat=4)}
    assert antiferromagnet.connected_correlations(product) == pytest.approx([0.0, 0.0])
    assert antiferromagnet.staggered_magnetisation(product) == pytest.approx(0.5)
    assert antiferromagnet.connected_correlations({"0101": 10}) == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize("atoms", [4, 6, 8, 12])
def test_rings_fit_the_device(device, atoms):
    sequence = antiferromagnet.adiabatic_sequence(antiferromagnet.ring(atoms, device), device)
    validate_sequence(sequence.to_abstract_repr(), 500, SPECS, require_layout=True)


@pytest.mark.parametrize("seed", range(6))
def test_graphs_are_connected_unit_disk_graphs_that_fit_the_device(device, seed):
    points = maximum_independent_set.lattice_graph(7, seed)
    edges = maximum_independent_set.edges_of(points)
    reached = {0}
    for _ in points:
        reached |= {b for a, b in (*edges, *((b, a) for a, b in edges)) if a in reached}
    assert reached == set(range(7))
    distances = [np.hypot(*np.subtract(points[i], points[j])) for i, j in itertools.combinations(range(7), 2)]
    radius = maximum_independent_set.BLOCKADE_RADIUS
    assert not any(0.8 * radius < distance < 1.2 * radius for distance in distances)
    sequence = maximum_independent_set.sequence_for(points, device, np.array(maximum_independent_set.START))
    validate_sequence(sequence.to_abstract_repr(), 200, SPECS, require_layout=True)


def independent_sets(points):
    """Every independent set, by brute force."""
    edges = maximum_independent_set.edges_of(points)
    for bits in itertools.product((0, 1), repeat=len(points)):
        if not any(bits[i] and bits[j] for i, j in edges):
            yield bits


@pytest.mark.parametrize("graph", [1, 2])
def test_the_loop_finds_the_maximum_independent_set(device, graph):
    points = maximum_independent_set.lattice_graph(6, graph)
    edges = maximum_independent_set.edges_of(points)
    largest = max(sum(bits) for bits in independent_sets(points))
    jobs = itertools.count()

    def run(parameters):
        sequence = maximum_independent_set.sequence_for(points, device, parameters)
        return execute(sequence.to_abstract_repr(), 200, seed=next(jobs))

    best, energies = maximum_independent_set.optimise(run, edges, 20)
    assert maximum_independent_set.is_independent(best, edges)
    assert best.count("1") == largest
    assert len(energies) <= 21
    assert min(energies) < energies[0] - 0.2
    assert min(energies) > -largest


def test_costs_have_their_minimum_at_maximum_independent_sets():
    points = maximum_independent_set.lattice_graph(7, 4)
    edges = maximum_independent_set.edges_of(points)
    costs = {
        "".join(bits): maximum_independent_set.cost("".join(bits), edges)
        for bits in itertools.product("01", repeat=7)
    }
    largest = max(sum(bits) for bits in independent_sets(points))
    lowest = {bits for bits, value in costs.items() if value == min(costs.values())}
    assert min(costs.values()) == -largest
    assert lowest == {"".join(map(str, bits)) for bits in independent_sets(points) if sum(bits) == largest}


def test_the_antiferromagnet_runs_as_a_program(capsys):
    assert antiferromagnet.main(["--qpu", "emulator", "--atoms", "4", "--shots", "200"]) == 0
    printed = capsys.readouterr().out
    assert "g(1) = -0." in printed
    assert "g(2) = +0." in printed


def test_the_independent_set_runs_as_a_program(capsys):
    options = ["--qpu", "emulator", "--atoms", "5", "--shots", "100", "--iterations", "6"]
    assert maximum_independent_set.main(options) == 0
    printed = capsys.readouterr().out
    assert printed.count("iteration") == 6
    assert "best independent set" in printed


@pytest.mark.parametrize("program", [antiferromagnet, maximum_independent_set])
def test_no_qpu_is_one_line(program, capsys):
    assert program.main(["--qpu", "NOWHERE"]) == 1
    assert capsys.readouterr().err.startswith("QPU 'NOWHERE' is not available: ")


@pytest.mark.parametrize("atoms", ["5", "2"])
def test_odd_rings_are_refused(atoms, capsys):
    with pytest.raises(SystemExit):
        antiferromagnet.main(["--atoms", atoms])
    assert "even number" in capsys.readouterr().err
