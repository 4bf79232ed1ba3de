"""The draft engine: FFmpeg's software encoders at their fastest."""

from gpu_tasks.compression.compressor import Compressor
from gpu_tasks.compression.contract import Codec
from gpu_tasks.compression.encoders import Encoder, fastest, find_software_encoder


class DraftEngine(Compressor):
    """The fastest presets, whatever the film."""

    model = "ffmpeg, fast presets"

    def encoder(self, codec: Codec, pixels: float, *, deep: bool) -> Encoder:
        """Software."""
        del deep
        return find_software_encoder(codec, self.preset(codec, pixels))

    def preset(self, codec: Codec, pixels: float) -> str:
        """The last of the list."""
        del pixels
        return fastest(codec)
