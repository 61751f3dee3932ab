"""A laser that is not what its calibration says: amplitude and detuning as the atoms really see them.

The change is made on the samples of a sequence, after Pulser has checked it against the device's limits: a
drifted laser does what it does whatever the limits are, in every kind of waveform and in EOM mode.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulser.sampler.samples import ChannelSamples, SequenceSamples


def miscalibrated(samples: SequenceSamples, amplitude_scale: float, detuning_offset: float) -> SequenceSamples:
    """Return ``samples`` with amplitudes times ``amplitude_scale`` and detunings plus ``detuning_offset``.

    Args:
        samples: what the sequence asks for.
        amplitude_scale: factor on the Rabi frequency, 1 where the laser is calibrated.
        detuning_offset: in rad/µs, 0 where the laser is calibrated; it acts while a laser is on.
    """
    return dataclasses.replace(
        samples,
        samples_list=[_channel(channel, amplitude_scale, detuning_offset) for channel in samples.samples_list],
    )


def _channel(channel: ChannelSamples, amplitude_scale: float, detuning_offset: float) -> ChannelSamples:
    laser_is_on = channel.amp.as_array() != 0
    return dataclasses.replace(
        channel,
        amp=channel.amp * amplitude_scale,
        det=channel.det + detuning_offset * laser_is_on,
    )
