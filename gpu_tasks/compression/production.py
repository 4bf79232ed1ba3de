"""The production engine: FFmpeg with hardware encoders where they work, else with slow presets."""

from pathlib import Path

from gpu_tasks.compression.compressor import Compressor
from gpu_tasks.compression.contract import Codec
from gpu_tasks.compression.encoders import Encoder, affordable, hardware, software
from gpu_tasks.runtime.contract import EngineInfo


def load(model_dir: Path | None, device: str, dtype: str) -> Compressor:
    """The engine; which hardware there is, is tried out now and not in a call."""
    del model_dir, device, dtype
    found = [encoder.name for codec in Codec if (encoder := hardware(codec))]
    model = ", ".join(["ffmpeg", *(found or ["slow presets"])])
    return Compressor(EngineInfo(name="production", model=model), Thorough())


class Thorough:
    """The best that the time allows."""

    def encoder(self, codec: Codec, pixels: float, *, deep: bool) -> Encoder:
        """Hardware for eight bits; software for more, and where there is none."""
        found = None if deep else hardware(codec)
        return found or software(codec, self.preset(codec, pixels))

    def preset(self, codec: Codec, pixels: float) -> str:
        """The slowest that is done in time."""
        return affordable(codec, pixels)
