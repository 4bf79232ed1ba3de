"""The draft engine: FFmpeg's software encoders at their fastest."""

from gpu_tasks.compression.compressor import Compressor
from gpu_tasks.compression.contract import Codec
from gpu_tasks.compression.encoders import Encoder, find_software_encoder, get_fastest_preset


class DraftEngine(Compressor):
    """The engine with the fastest presets, whatever the film."""

    model = "ffmpeg, fast presets"

    def choose_encoder(self, codec: Codec, pixels: float, *, deep: bool) -> Encoder:
        """Return a software encoder."""
        del deep
        return find_software_encoder(codec, self.choose_preset(codec, pixels))

    def choose_preset(self, codec: Codec, pixels: float) -> str:
        """Return the fastest preset."""
        del pixels
        return get_fastest_preset(codec)
