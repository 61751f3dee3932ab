"""The words that configuration and environment use for QRMI's resource types."""

from __future__ import annotations

import qrmi

from ..telemetry.catalogue import OTHER

EMULATOR = "emulator"
"""Names the emulator inside the program's own process: not a type of the wheel, which runs no code itself."""

TYPES: dict[str, qrmi.ResourceType] = {
    "ibm-quantum-system": qrmi.ResourceType.IBMQuantumSystem,
    "qiskit-runtime-service": qrmi.ResourceType.IBMQiskitRuntimeService,
    "ibm-quantum-compute-service": qrmi.ResourceType.IBMQuantumComputeService,
    "pasqal-cloud": qrmi.ResourceType.PasqalCloud,
    "pasqal-local": qrmi.ResourceType.PasqalLocal,
    "alice-bob-felis": qrmi.ResourceType.AliceBobFelis,
    "iqm-server": qrmi.ResourceType.IQMServer,
    "oqtopus": qrmi.ResourceType.OQTOPUS,
}

PASQAL_LOCAL = "pasqal-local"

_WORDS = {resource_type: word for word, resource_type in TYPES.items()}


def word_of(resource_type: qrmi.ResourceType) -> str:
    """Return the word for a resource type, ``other`` for one that is not known here."""
    return _WORDS.get(resource_type, OTHER)
