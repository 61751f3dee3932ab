"""What Slurm's commands print, of several versions."""

from __future__ import annotations

import pytest

from qwatch.collectors.slurm_output import (
    JOB_FIELDS,
    License,
    NodeGres,
    SlurmJob,
    UnexpectedOutputError,
    gres,
    jobs,
    licenses,
    output_format,
)


def row(*fields: str) -> str:
    return "".join(f"{field}\t" for field in fields) + "\n"


def job(licenses: str = "(null)", per_node: str = "N/A", per_task: str = "N/A") -> SlurmJob:
    (found,) = jobs(row("77", "quantum,debug", "RUNNING", licenses, "N/A", per_node, "N/A", per_task))
    return found


def test_the_format_prints_each_field_whole() -> None:
    assert output_format(JOB_FIELDS).startswith("JobID:\t,Partition:\t,")


def test_a_job_counts_in_its_first_partition() -> None:
    assert job() == SlurmJob("77", "quantum", "running", (), ())


@pytest.mark.parametrize(
    ("printed", "names"),
    [
        ("fresnel", ("fresnel",)),
        ("fresnel:3,matlab:1", ("fresnel", "matlab")),
        ("fresnel@server:3", ("fresnel@server",)),
        ("fresnel:1|orion:1", ("fresnel", "orion")),
        ("fresnel=2;matlab", ("fresnel", "matlab")),
    ],
)
def test_licences_of_a_job(printed: str, names: tuple[str, ...]) -> None:
    assert job(licenses=printed).licenses == names


@pytest.mark.parametrize(
    ("printed", "names"),
    [
        ("gres:qpu:fresnel:1", ("qpu:fresnel",)),
        ("gres/qpu:1", ("qpu",)),
        ("gres/qpu=2,gres/gpu:a100:4", ("qpu", "gpu:a100")),
        ("gres:qpu", ("qpu",)),
    ],
)
def test_gres_of_a_job(printed: str, names: tuple[str, ...]) -> None:
    assert job(per_node=printed).gres == job(per_task=printed).gres == names


def test_gres_of_the_nodes_are_summed_once_a_node() -> None:
    printed = (
        row("n1", "qpu:fresnel:2(S:0-1),gpu:4(S:0,1)", "qpu:fresnel:1(IDX:0),gpu:0(IDX:N/A)")
        + row("n1", "qpu:fresnel:2(S:0-1),gpu:4(S:0,1)", "qpu:fresnel:1(IDX:0),gpu:0(IDX:N/A)")
        + row("n2", "qpu:fresnel:2K", "qpu:fresnel:0")
        + row("n3", "(null)", "(null)")
    )
    assert gres(printed) == [NodeGres("qpu:fresnel", 2050, 1), NodeGres("gpu", 4, 0)]


def test_licences_of_old_and_new_versions() -> None:
    assert list(
        licenses(
            "LicenseName=fresnel Total=4 Used=2 Free=2 Remote=no\n"
            "LicenseName=b@s Total=9 Used=0 Free=9 Reserved=1 Remote=yes LastConsumed=0 LastDeficit=0\n"
        )
    ) == [License("fresnel", 4, 2, None), License("b@s", 9, 0, 1)]
    assert list(licenses("No licenses configured in Slurm.\n")) == []


@pytest.mark.parametrize("printed", ["LicenseName=a Total=many Used=1", "LicenseName=a Used=1"])
def test_a_licence_that_cannot_be_read(printed: str) -> None:
    with pytest.raises(UnexpectedOutputError, match="cannot be read"):
        list(licenses(printed))
