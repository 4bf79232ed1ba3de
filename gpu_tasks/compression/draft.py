"""The draft engine: FFmpeg's software encoders at their fastest."""

from pathlib import Path

from gpu_tasks.compression.compressor import Compressor
from gpu_tasks.compression.contract import Codec
from gpu_tasks.compression.encoders import Encoder, fastest, software
from gpu_tasks.runtime.contract import EngineInfo


def load(model_dir: Path | None, device: str, dtype: str) -> Compressor:
    """The engine; it has neither weights to find nor a device to choose."""
    del model_dir, device, dtype
    return Compressor(EngineInfo(name="draft", model="ffmpeg, fast presets"), Fast())


class Fast:
    """The fastest presets, whatever the film."""

    def encoder(self, codec: Codec, pixels: float, *, deep: bool) -> Encoder:
        """Software."""
        del deep
        return software(codec, self.preset(codec, pixels))

    def preset(self, codec: Codec, pixels: float) -> str:
        """The last of the list."""
        del pixels
        return fastest(codec)
