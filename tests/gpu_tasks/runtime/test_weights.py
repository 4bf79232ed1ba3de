"""Where pinned weights lie."""

from fnmatch import fnmatch
from pathlib import Path

import pytest

from gpu_tasks.runtime import weights
from gpu_tasks.runtime.engine import contracts


def test_each_revision_has_a_folder_of_its_own():
    assert weights.get_folder(Path("/models"), "a/b@123") == Path("/models/a/b/123")


@pytest.mark.parametrize("model", ["a/b", "a/b@", "@123", ""])
def test_a_model_without_a_revision_is_refused(model: str):
    with pytest.raises(ValueError, match="no revision"):
        weights.get_folder(Path("/models"), model)


@pytest.mark.parametrize("name", contracts())
def test_contracts_pin_commits_and_not_branches(name: str):
    for model in set(contracts()[name].models.values()) - weights.BY_BRANCH:
        _, revision = weights.parse_pin(model)
        assert len(revision) == 40
        assert int(revision, 16)


def test_what_is_known_of_models_is_of_those_in_use():
    used = {model for item in contracts().values() for model in item.models.values()}
    assert used >= weights.BY_BRANCH
    assert {weights.parse_pin(model)[0] for model in used} >= {
        *weights.HALF_PRECISION_PARTS,
        *weights.UNUSED,
    }


@pytest.mark.parametrize(
    ("name", "loaded"),
    [
        ("SWivid/F5-TTS", "F5TTS_v1_Base/model_1250000.safetensors"),
        ("TMElyralab/MuseTalk", "musetalkV15/unet.pth"),
        ("openai/whisper-tiny", "model.safetensors"),
        ("stabilityai/sd-vae-ft-mse", "diffusion_pytorch_model.safetensors"),
        ("stabilityai/stable-audio-open-1.0", "model_index.json"),
        ("stabilityai/stable-audio-open-1.0", "text_encoder/model.safetensors"),
    ],
)
def test_what_engines_load_is_not_left_out(name: str, loaded: str):
    assert not any(fnmatch(loaded, pattern) for pattern in weights.UNUSED[name])
