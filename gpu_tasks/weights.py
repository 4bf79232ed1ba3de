"""Where the weights of production engines lie: one folder for each pinned revision of a model."""

from pathlib import Path

BY_BRANCH = frozenset({"Wan-AI/Wan2.2-Animate-14B-Diffusers@main"})
"""Models of which no commit is known to us yet: whoever brings them here first should pin it."""


def folder(model_dir: Path, model: str) -> Path:
    """The folder of ``id@revision`` under ``model_dir``; raises ``ValueError`` without a pin."""
    name, revision = pinned(model)
    return model_dir / name / revision


def pinned(model: str) -> tuple[str, str]:
    """The hub id and the revision of ``id@revision``."""
    name, separator, revision = model.partition("@")
    if not (name and separator and revision):
        raise ValueError(f"{model!r} names no revision")
    return name, revision
