"""Tiny pipelines as they are published, stored as their engines read them."""

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gpu_tasks.image_generation import contract as image_generation
from gpu_tasks.performance_cloning import contract as performance_cloning
from gpu_tasks.runtime import weights
from gpu_tasks.video_generation import contract as video_generation
from tests.gpu_tasks.image_generation import tiny as tiny_image
from tests.gpu_tasks.performance_cloning import tiny as tiny_performance
from tests.gpu_tasks.video_generation import tiny as tiny_video

pytestmark = pytest.mark.torch

DTYPE = "bfloat16"
PIPELINES = [
    (tiny_image, image_generation.MODELS["image"]),
    (tiny_performance, performance_cloning.MODELS["video"]),
    (tiny_video, video_generation.MODELS["video"]),
]
INDEX = "diffusion_pytorch_model.safetensors.index.json"


def published(folder: Path, tiny: ModuleType, model: str) -> Path:
    """Return a pipeline in single precision, its transformer in more than one file."""
    tiny.save(folder)
    where = weights.get_folder(folder, model)
    loaded(where, "transformer", "float32").save_pretrained(
        where / "transformer", max_shard_size="20KB"
    )
    assert (where / "transformer" / INDEX).exists()
    return where


def loaded(where: Path, part: str, dtype: str) -> Any:
    import torch

    library, name = json.loads((where / "model_index.json").read_text())[part]
    kind = getattr(importlib.import_module(library), name)
    return kind.from_pretrained(where / part, dtype=getattr(torch, dtype))


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the modification time and the size of each file in a folder."""
    result = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {
        str(path.relative_to(folder)): (item.st_mtime_ns, item.st_size)
        for path, item in result.items()
    }


@pytest.mark.parametrize(
    ("tiny", "model"), PIPELINES, ids=lambda item: getattr(item, "__name__", "")
)
def test_what_is_stored_is_what_would_have_been_cast(tiny: ModuleType, model: str, tmp_path: Path):
    import torch

    from gpu_tasks.runtime import dtype_conversion

    where = published(tmp_path, tiny, model)
    parts = weights.HALF_PRECISION_PARTS[weights.parse_pin(model)[0]]
    expected = {part: loaded(where, part, DTYPE).state_dict() for part in parts}
    before = files(where)
    dtype_conversion.store(where, parts, DTYPE)
    after = files(where)
    for part in parts:
        assert dtype_conversion.is_stored(where / part, DTYPE)
        output = loaded(where, part, DTYPE).state_dict()
        assert output.keys() == expected[part].keys()
        for name, values in expected[part].items():
            assert output[name].dtype == values.dtype
            assert torch.equal(output[name], values)
        sizes = [
            sum(size for name, (_, size) in all_.items() if name.startswith(f"{part}/"))
            for all_ in (before, after)
        ]
        assert sizes[1] < 0.8 * sizes[0]
    assert {name for name in after if name.split("/")[0] not in parts} <= before.keys()
    other_items = [name for name in before if name.split("/")[0] not in parts]
    assert any(name.startswith("vae/") for name in other_items)
    assert all(after[name] == before[name] for name in other_items)


def test_what_is_stored_is_left_alone(tmp_path: Path):
    from gpu_tasks.runtime import dtype_conversion

    where = published(tmp_path, tiny_image, image_generation.MODELS["image"])
    dtype_conversion.store(where, ("transformer",), DTYPE)
    before = files(where)
    dtype_conversion.store(where, ("transformer",), DTYPE)
    assert files(where) == before


def test_a_part_that_is_large_is_stored_in_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from safetensors import safe_open

    from gpu_tasks.runtime import dtype_conversion

    monkeypatch.setattr(dtype_conversion, "LARGEST_FILE", "10KB")
    where = published(tmp_path, tiny_image, image_generation.MODELS["image"])
    dtype_conversion.store(where, ("transformer",), DTYPE)
    index = json.loads((where / "transformer" / INDEX).read_text())["weight_map"]
    assert len(set(index.values())) > 1
    steady: dict[str, str] = {}
    for path in (where / "transformer").glob("*.safetensors"):
        with safe_open(path, "pt") as item:
            steady |= dict.fromkeys(item.keys(), path.name)
    assert steady == index


def test_what_was_interrupted_is_made_again(tmp_path: Path):
    import torch

    from gpu_tasks.runtime import dtype_conversion

    where = published(tmp_path, tiny_image, image_generation.MODELS["image"])
    half_done = where / f"transformer.{DTYPE}"
    half_done.mkdir()
    (half_done / "diffusion_pytorch_model.safetensors").write_bytes(b"half of it")
    dtype_conversion.store(where, ("transformer",), DTYPE)
    assert not half_done.exists()
    assert loaded(where, "transformer", DTYPE).dtype == torch.bfloat16


def test_a_model_of_no_parts_needs_no_pipeline(tmp_path: Path):
    from gpu_tasks.runtime import dtype_conversion

    dtype_conversion.store(tmp_path, (), DTYPE)
    assert list(tmp_path.iterdir()) == []
