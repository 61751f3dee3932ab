"""The words that configuration and environment use for QRMI's resource types, and for kinds of payloads."""

from __future__ import annotations

import qrmi

from ..telemetry.catalogue import OTHER
from .wheel import members

EMULATOR = "emulator"
"""Names the emulator inside the program's own process: not a type of the wheel, which runs no code itself."""

TYPES: dict[str, qrmi.ResourceType] = members(
    qrmi.ResourceType,
    {
        "ibm-quantum-system": "IBMQuantumSystem",
        "qiskit-runtime-service": "IBMQiskitRuntimeService",
        "ibm-quantum-compute-service": "IBMQuantumComputeService",
        "pasqal-cloud": "PasqalCloud",
        "pasqal-local": "PasqalLocal",
        "alice-bob-felis": "AliceBobFelis",
        "iqm-server": "IQMServer",
        "oqtopus": "OQTOPUS",
    },
)
"""Those that the installed version has: versions before 0.26 lack ``oqtopus``."""

PASQAL_LOCAL = "pasqal-local"

URL_KEYS = ("QRMI_WARDEN_URL", "QRMI_URL")
"""What a pasqal-local resource calls its daemon's URL; the second is older."""

SESSION_KEY = "QRMI_JOB_ACQUISITION_TOKEN"
"""Where QRMI looks for a session's token, behind the resource's name and an underscore."""

PAYLOADS: dict[str, type[qrmi.Payload]] = members(
    qrmi.Payload,
    {
        "pasqal-cloud": "PasqalCloud",
        "qiskit-primitive": "QiskitPrimitive",
        "iqm-server": "IQMServer",
        "alice-bob-felis": "AliceBobFelis",
        "oqtopus": "Oqtopus",
    },
)
"""Kinds of payloads that the installed version has."""

_WORDS = {resource_type: word for word, resource_type in TYPES.items()}


def word_of(resource_type: qrmi.ResourceType) -> str:
    """Return the word for a resource type, ``other`` for one that is not known here."""
    return _WORDS.get(resource_type, OTHER)
