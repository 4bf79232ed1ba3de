"""Where the weights of production engines lie: one folder for each pinned revision of a model."""

from collections.abc import Mapping
from pathlib import Path

BY_BRANCH = frozenset({"Wan-AI/Wan2.2-Animate-14B-Diffusers@main"})
"""Models of which no commit is known to us yet: whoever brings them here first should pin it.

What is kept in half of them is not fetched again where the branch goes on: remove its folder."""
HALVED: Mapping[str, tuple[str, ...]] = {
    "Tongyi-MAI/Z-Image-Turbo": ("transformer",),
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": ("text_encoder", "transformer"),
    "Wan-AI/Wan2.2-Animate-14B-Diffusers": ("transformer",),
}
"""Parts that are published in single precision and kept in what their contract says instead: else
each cold container reads twice what it needs, and casts it. Autoencoders stay as they are."""
UNUSED: Mapping[str, tuple[str, ...]] = {
    "SWivid/F5-TTS": ("E2TTS_Base/*", "F5TTS_Base/*", "F5TTS_Base_bigvgan/*"),
    "TMElyralab/MuseTalk": ("musetalk/*",),  # the version before 1.5
    "openai/whisper-tiny": ("*.h5", "*.msgpack", "pytorch_model.bin"),
    "stabilityai/sd-vae-ft-mse": ("*.bin", "*.ckpt"),
    "stabilityai/stable-audio-open-1.0": ("model.ckpt", "model.safetensors"),
}
"""Patterns of files that no engine loads: the same weights in other forms, or other weights."""


def folder(model_dir: Path, model: str) -> Path:
    """The folder of ``id@revision`` under ``model_dir``; raises ``ValueError`` without a pin."""
    name, revision = parse_pin(model)
    return model_dir / name / revision


def parse_pin(model: str) -> tuple[str, str]:
    """The hub id and the revision of ``id@revision``."""
    name, separator, revision = model.partition("@")
    if not (name and separator and revision):
        raise ValueError(f"{model!r} names no revision")
    return name, revision
