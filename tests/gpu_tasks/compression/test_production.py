"""The production engine: slow presets or hardware."""

from pathlib import Path

import pytest

from gpu_tasks.compression.contract import Codec
from gpu_tasks.compression.encoders import SOFTWARE, find_hardware_encoder
from gpu_tasks.compression.production import ProductionEngine
from gpu_tasks.runtime.engine import Engine, load
from tests.gpu_tasks.compression.calls import compress


@pytest.fixture(scope="module")
def production() -> Engine:
    return load("compression", "production")


@pytest.mark.parametrize(
    ("target", "codec"), [("web", "h264"), ("archive", "hevc"), (60_000, "h264")]
)
def test_it_compresses(production: Engine, film: Path, tmp_path: Path, target: object, codec: str):
    result, _ = compress(production, tmp_path, film, target)
    assert (result.video_codec, result.kept_source) == (codec, False)
    assert result.ssim > 0.9


def test_slower_presets_make_more_of_a_size(
    production: Engine, engine: Engine, film: Path, tmp_path: Path
):
    thorough, _ = compress(production, tmp_path / "1", film, 40_000)
    fast, _ = compress(engine, tmp_path / "2", film, 40_000)
    assert thorough.ssim > fast.ssim


@pytest.mark.parametrize("codec", Codec)
def test_deep_pictures_are_left_to_software(codec: Codec):
    assert ProductionEngine().choose_encoder(codec, 1e6, deep=True).name == SOFTWARE[codec]


@pytest.mark.parametrize("codec", Codec)
def test_hardware_is_used_where_it_works(codec: Codec):
    chosen = ProductionEngine().choose_encoder(codec, 1e6, deep=False)
    assert chosen.name == (
        find_hardware_encoder(codec).name if find_hardware_encoder(codec) else SOFTWARE[codec]
    )


def test_it_says_what_it_uses(production: Engine):
    assert production.info.name == "production"
    assert production.info.model.startswith("ffmpeg, ")
