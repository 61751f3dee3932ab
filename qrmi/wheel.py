"""The class of the ``qrmi`` wheel, also while ``auto_instrument`` stands in its place."""

from __future__ import annotations

import qrmi

QuantumResource = qrmi.QuantumResource
