"""The folders of the weights of production engines: one for each pinned revision of a model."""

from collections.abc import Mapping
from pathlib import Path

BY_BRANCH = frozenset({"Wan-AI/Wan2.2-Animate-14B-Diffusers@main"})
"""Models that are not pinned yet, because we know no commit of theirs. Pin them when first fetched.

Parts that are stored in half precision are not fetched again when the branch changes. Delete the
folder to fetch them."""
HALF_PRECISION_PARTS: Mapping[str, tuple[str, ...]] = {
    "Tongyi-MAI/Z-Image-Turbo": ("transformer",),
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": ("text_encoder", "transformer"),
    "Wan-AI/Wan2.2-Animate-14B-Diffusers": ("transformer",),
}
"""Parts that are published in single precision and stored in the number type of their contract.
Otherwise every cold container reads twice what it needs, and converts it. Autoencoders stay as
they are."""
UNUSED: Mapping[str, tuple[str, ...]] = {
    "SWivid/F5-TTS": ("E2TTS_Base/*", "F5TTS_Base/*", "F5TTS_Base_bigvgan/*"),
    "TMElyralab/MuseTalk": ("musetalk/*",),  # the version before 1.5
    "openai/whisper-tiny": ("*.h5", "*.msgpack", "pytorch_model.bin"),
    "stabilityai/sd-vae-ft-mse": ("*.bin", "*.ckpt"),
    "stabilityai/stable-audio-open-1.0": ("model.ckpt", "model.safetensors"),
}
"""Patterns of files that no engine loads: the same weights in other forms, or other weights."""


def get_folder(model_dir: Path, model: str) -> Path:
    """Return the folder of ``id@revision`` in ``model_dir``; raise ``ValueError`` without a pin."""
    name, revision = parse_pin(model)
    return model_dir / name / revision


def parse_pin(model: str) -> tuple[str, str]:
    """Return hub id and revision of ``id@revision``; raise ``ValueError`` without a revision."""
    name, separator, revision = model.partition("@")
    if not (name and separator and revision):
        raise ValueError(f"{model!r} names no revision")
    return name, revision
