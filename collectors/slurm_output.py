"""What Slurm's commands print, in the formats that all versions since 20.11 have, as data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SEPARATOR = "\t"
JOB_FIELDS = (
    "JobID",
    "Partition",
    "State",
    "Licenses",
    "tres-per-job",
    "tres-per-node",
    "tres-per-socket",
    "tres-per-task",
)
BOOKING_FIELDS = ("JobID", "Partition", "Account", "Cluster")
NODE_FIELDS = ("NodeHost", "Gres", "GresUsed")
_NOTHING = ("", "(null)", "N/A", "None")
_OUTSIDE_PARENTHESES = re.compile(r",(?![^()]*\))")
_GRES = re.compile(r"(?P<name>[^:=()]+(?::[^:=()]+)??)(?:[:=](?P<count>\d+)(?P<unit>[KMGTP]?))?(?:\(.*\))?")
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


class UnexpectedOutputError(Exception):
    """A command printed something else than it was asked for."""


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """A job of Slurm that has not ended, and the names of what it asks for."""

    job_id: str
    partition: str
    state: str
    licenses: tuple[str, ...]
    gres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SlurmBooking:
    """Where a job of Slurm runs, and on whose account; None for what Slurm does not say."""

    job_id: str
    partition: str
    account: str | None
    cluster: str | None


@dataclass(frozen=True, slots=True)
class License:
    """The counts of one licence."""

    name: str
    total: int
    used: int
    reserved: int | None


@dataclass(frozen=True, slots=True)
class NodeGres:
    """The counts of one GRES, over all nodes."""

    name: str
    total: int
    used: int


def output_format(fields: Sequence[str]) -> str:
    """Return the value of ``-O`` that prints ``fields`` whole, with a separator behind each."""
    return ",".join(f"{field}:{SEPARATOR}" for field in fields)


def jobs(text: str) -> Iterator[SlurmJob]:
    """Read what squeue prints in the format of ``JOB_FIELDS``."""
    for number, partition, state, licenses, *resources in _rows(text, JOB_FIELDS):
        yield SlurmJob(
            number,
            partition.partition(",")[0],
            state.lower(),
            tuple(_license_names(licenses)),
            tuple(name for field in resources for name, _ in _resources(field)),
        )


def bookings(text: str) -> Iterator[SlurmBooking]:
    """Read what squeue prints in the format of ``BOOKING_FIELDS``."""
    for number, partition, account, cluster in _rows(text, BOOKING_FIELDS):
        yield SlurmBooking(
            number,
            partition.partition(",")[0],
            None if account in _NOTHING else account,
            None if cluster in _NOTHING else cluster,
        )


def cluster_name(text: str) -> str | None:
    """Return the cluster's name from what ``scontrol show config`` prints; None if it is not there."""
    found = re.search(r"^ClusterName\s*=\s*(\S+)\s*$", text, re.MULTILINE)
    return None if found is None or found[1] in _NOTHING else found[1]


def licenses(text: str) -> Iterator[License]:
    """Read what ``scontrol show licenses -o`` prints."""
    for line in text.splitlines():
        if not line.startswith("LicenseName="):
            continue  # "No licenses configured in Slurm."
        pairs = dict(word.partition("=")[::2] for word in line.split())
        try:
            reserved = pairs.get("Reserved")
            yield License(
                pairs["LicenseName"],
                int(pairs["Total"]),
                int(pairs["Used"]),
                None if reserved is None else int(reserved),
            )
        except (KeyError, ValueError) as error:
            raise UnexpectedOutputError(f"scontrol printed a licence that cannot be read: {line!r}") from error


def gres(text: str) -> list[NodeGres]:
    """Read what sinfo prints in the format of ``NODE_FIELDS``, a line for each node and partition."""
    seen: set[str] = set()
    total: dict[str, int] = {}
    used: dict[str, int] = {}
    for node, has, uses in _rows(text, NODE_FIELDS):
        if node in seen:
            continue
        seen.add(node)
        for counts, field in ((total, has), (used, uses)):
            for name, count in _resources(field):
                counts[name] = counts.get(name, 0) + count
    return [NodeGres(name, count, used.get(name, 0)) for name, count in total.items()]


def _rows(text: str, fields: Sequence[str]) -> Iterator[list[str]]:
    for line in text.splitlines():
        row = line.split(SEPARATOR)
        if len(row) != len(fields) + 1:
            raise UnexpectedOutputError(f"{len(fields)} fields were asked for, and this was printed: {line!r}")
        yield [field.strip() for field in row[:-1]]


def _license_names(field: str) -> Iterator[str]:
    if field in _NOTHING:
        return
    for item in re.split(r"[,;|]", field):
        yield re.split(r"[:=]", item, maxsplit=1)[0]


def _resources(field: str) -> Iterator[tuple[str, int]]:
    """Yield name (with type) and count of each GRES: ``gres:qpu:fresnel:1``, ``gres/qpu=2``, ``qpu:2(S:0)``."""
    if field in _NOTHING:
        return
    for item in _OUTSIDE_PARENTHESES.split(field):
        found = _GRES.fullmatch(re.sub(r"^gres[:/]", "", item))
        if found is None:
            continue  # cpu=4, node=1 and the like are not asked for here, but newer versions may add more
        count = int(found["count"] or 1) * 1024 ** _UNITS[found["unit"] or ""]
        yield found["name"], count
