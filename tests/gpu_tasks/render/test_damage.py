"""Sources that are damaged: who is to blame, and what of it is told."""

from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.errors import EngineError, ErrorCode
from gpu_tasks.render.contract import Output
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline


def refused(studio: Studio, file: Path, settings: Output | None = None) -> EngineError:
    with pytest.raises(EngineError) as caught:
        studio.render(timeline([file], [clip(0, 0, 5000)]), settings or output(), [file])
    return caught.value


@pytest.mark.parametrize("content", [b"", b"no film", b"\0" * 5000])
def test_what_is_no_film_is_refused_by_its_name(content: bytes, studio: Studio, tmp_path: Path):
    file = tmp_path / "holiday.mp4"
    file.write_bytes(content)
    error = refused(studio, file)
    assert error.code is ErrorCode.INPUT_INVALID
    assert "holiday.mp4" in error.message


def with_noise(film: Path) -> bytes:
    """A film of which the beginning, and the index at the end, are left."""
    content = bytearray(film.read_bytes())
    begin = content.index(b"mdat") + 30_000
    rng = np.random.default_rng(1)
    content[begin:-50_000] = rng.integers(0, 256, len(content[begin:-50_000]), np.uint8).tobytes()
    return bytes(content)


def test_a_film_of_noise_is_refused_by_its_name(studio: Studio, spoken: Path, tmp_path: Path):
    file = tmp_path / "noise.mp4"
    file.write_bytes(with_noise(spoken))
    with pytest.raises(EngineError, match="INPUT_INVALID") as caught:
        studio.render(timeline([file], [clip(0, 0, 5000, 10_000)]), output(proxy=True), [file])
    assert "noise.mp4" in caught.value.message


def test_only_the_file_that_cannot_be_decoded_is_named(
    studio: Studio, spoken: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(with_noise(spoken))
    wanted = timeline([spoken, bad], [clip(0, 0, 2000)], [clip(1, 0, 2000, 10_000)])
    with pytest.raises(EngineError, match="INPUT_INVALID") as caught:
        studio.render(wanted, output(proxy=True), [spoken, bad])
    assert caught.value.message == "The media file 'bad.mp4' cannot be decoded."
    assert "FFmpeg ended with" in caplog.text
    assert str(studio.root) not in caplog.text
    assert "bad.mp4" not in caplog.text


def test_a_fault_of_ours_is_logged_and_no_files(
    studio: Studio, spoken: Path, caplog: pytest.LogCaptureFixture
):
    """An encoder refuses such sides: no file is to blame."""
    settings = output().model_copy(update={"width": 97, "height": 49})
    with pytest.raises(EngineError, match="MODEL_ERROR"):
        studio.render(timeline([spoken], [clip(0, 0, 1000)]), settings, [spoken])
    assert "FFmpeg ended with" in caplog.text
    assert str(studio.root) not in caplog.text
    assert spoken.name not in caplog.text
