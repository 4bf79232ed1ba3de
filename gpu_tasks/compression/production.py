"""The production engine: FFmpeg with hardware encoders where they work, else with slow presets."""

from gpu_tasks.compression.compressor import Compressor
from gpu_tasks.compression.contract import Codec
from gpu_tasks.compression.encoders import (
    Encoder,
    affordable,
    find_hardware_encoder,
    find_software_encoder,
)


class ProductionEngine(Compressor):
    """The best that the time allows."""

    def __init__(self) -> None:
        # Which hardware there is, is tried out now and not in a call.
        found = [encoder.name for codec in Codec if (encoder := find_hardware_encoder(codec))]
        self.model = ", ".join(["ffmpeg", *(found or ["slow presets"])])

    def encoder(self, codec: Codec, pixels: float, *, deep: bool) -> Encoder:
        """Hardware for eight bits; software for more, and where there is none."""
        found = None if deep else find_hardware_encoder(codec)
        return found or find_software_encoder(codec, self.preset(codec, pixels))

    def preset(self, codec: Codec, pixels: float) -> str:
        """The slowest that is done in time."""
        return affordable(codec, pixels)
