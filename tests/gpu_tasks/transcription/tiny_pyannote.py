"""A diarization pipeline of pyannote's real classes with random weights, saved as weights are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gpu_tasks.runtime import weights
from gpu_tasks.transcription.contract import MODELS
from tests.gpu_tasks.shims import stand_in

EMBEDDING = 256
SPACE = 16
CONFIG = """
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    embedding: $model/embedding
    embedding_exclude_overlap: true
    plda: $model/plda
params:
  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}
  segmentation: {min_duration_off: 0.0}
"""


def importable() -> Any:
    """pyannote's package, else the tests that ask are skipped."""
    stand_in()
    return pytest.importorskip("pyannote.audio", reason="needs torchaudio: make test-shims")


def folder(model_dir: Path) -> Path:
    """Where the engine looks for the pipeline."""
    return weights.get_folder(model_dir, MODELS["diarization"])


def save(model_dir: Path) -> Path:
    """Save a pipeline with the layout of community-1."""
    from pyannote.audio.models.embedding.wespeaker import WeSpeakerResNet34
    from pyannote.audio.models.segmentation import PyanNet

    torch.manual_seed(1)
    root = folder(model_dir)
    _save_model(PyanNet(lstm={"hidden_size": 8}), root / "segmentation", _frames_of_speakers())
    _save_model(WeSpeakerResNet34(), root / "embedding", _one_speaker())
    (root / "plda").mkdir()
    rng = np.random.default_rng(1)
    np.savez(
        root / "plda" / "xvec_transform.npz",
        mean1=np.zeros(EMBEDDING),
        mean2=np.zeros(SPACE),
        lda=rng.normal(size=(EMBEDDING, SPACE)),
    )
    np.savez(
        root / "plda" / "plda.npz",
        mu=np.zeros(SPACE),
        tr=np.eye(SPACE),
        psi=np.linspace(4.0, 1.0, SPACE),
    )
    (root / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return model_dir


def _frames_of_speakers() -> Any:
    from pyannote.audio.core.task import Problem, Resolution, Specifications

    return Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        classes=["1", "2", "3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )


def _one_speaker() -> Any:
    from pyannote.audio.core.task import Problem, Resolution, Specifications

    return Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=10.0
    )


def _save_model(model: Any, path: Path, specifications: Any) -> None:
    model.specifications = specifications
    model.setup()
    if hasattr(model, "classifier"):
        model.classifier.bias.data[1:3] = 1.0  # somebody speaks
    checkpoint: dict[str, Any] = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": "2.6.0",
        "epoch": 0,
        "global_step": 0,
    }
    model.on_save_checkpoint(checkpoint)
    path.mkdir(parents=True)
    torch.save(checkpoint, path / "pytorch_model.bin")
