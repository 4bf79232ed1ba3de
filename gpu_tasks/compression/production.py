"""The production engine: FFmpeg with hardware encoders where they work, else with slow presets."""

from gpu_tasks.compression.compressor import Compressor
from gpu_tasks.compression.contract import Codec
from gpu_tasks.compression.encoders import (
    Encoder,
    choose_preset,
    find_hardware_encoder,
    find_software_encoder,
)


class ProductionEngine(Compressor):
    """The engine with the best encoders and presets that the time limit allows."""

    def __init__(self) -> None:
        # Hardware is probed now, so that no call has to wait for it.
        hardware_encoders = [
            encoder.name for codec in Codec if (encoder := find_hardware_encoder(codec))
        ]
        self.model = ", ".join(["ffmpeg", *(hardware_encoders or ["slow presets"])])

    def choose_encoder(self, codec: Codec, pixels: float, *, deep: bool) -> Encoder:
        """Return a hardware encoder for eight bits, or else a software encoder."""
        hardware_encoder = None if deep else find_hardware_encoder(codec)
        return hardware_encoder or find_software_encoder(codec, self.choose_preset(codec, pixels))

    def choose_preset(self, codec: Codec, pixels: float) -> str:
        """Return the slowest preset that finishes in time."""
        return choose_preset(codec, pixels)
