"""The production engine with tiny random weights, loaded as the real ones are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_tasks.mediakit.film import probe
from gpu_tasks.performance_cloning.contract import (
    MAX_SECONDS,
    MODELS,
    PerformanceCloningResult,
)
from gpu_tasks.runtime.engine import Host, load
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.runtime.runner import get_error_code
from tests.gpu_tasks.films import make_film
from tests.gpu_tasks.lip_sync.calls import filmed
from tests.gpu_tasks.mediakit.faces.portrait import PORTRAIT, scene
from tests.gpu_tasks.performance_cloning import tiny
from tests.gpu_tasks.performance_cloning.acting import HEIGHT, WIDTH, acted, face, opening
from tests.gpu_tasks.performance_cloning.calls import cloned, payload, workspace_of

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("performance_cloning")]

FRAMES = 7
STEPS = 2
SIDE = 48


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from gpu_tasks.performance_cloning import production
    from gpu_tasks.performance_cloning.wan import Effort

    model_dir = tiny.save(tmp_path_factory.mktemp("models"))
    effort = Effort(steps=STEPS, max_area=SIDE * SIDE)
    return production.ProductionEngine.load(Host(model_dir), effort)


@pytest.fixture(scope="module")
def driving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film with a face in all frames but the first and the last."""
    wall = scene(width=WIDTH, height=HEIGHT)
    frames = [wall, *acted(mouth=opening, frames=FRAMES - 2), wall]
    return filmed(tmp_path_factory.mktemp("driving") / "driving.mp4", frames)


@pytest.fixture(scope="module")
def told() -> list[float]:
    """Return the progress reports of the first call."""
    return []


@pytest.fixture(scope="module")
def made(
    engine: Any, driving: Path, told: list[float], tmp_path_factory: pytest.TempPathFactory
) -> tuple[PerformanceCloningResult, Path]:
    files = workspace_of(tmp_path_factory.mktemp("made"), PORTRAIT, driving, told.append)
    return engine.run(payload(seed=3), files), files.output("result")


def test_the_film_has_the_portraits_proportions_and_the_driving_films_length(
    made: tuple[PerformanceCloningResult, Path],
):
    result, path = made
    assert result == PerformanceCloningResult(
        duration_ms=280,
        width=SIDE,
        height=SIDE,
        frame_rate=25.0,
        frames=FRAMES,
        frames_with_face=FRAMES - 2,
    )
    frames = list(probe(path).frames())
    assert len(frames) == FRAMES
    assert frames[0].shape == (SIDE, SIDE, 3)
    assert not probe(path).has_sound


def test_progress_is_told_at_every_step(
    made: tuple[PerformanceCloningResult, Path], told: list[float]
):
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    assert len(told) == FRAMES + STEPS + FRAMES


def test_the_same_seed_makes_the_same_and_another_does_not(
    engine: Any, driving: Path, made: tuple[PerformanceCloningResult, Path], tmp_path: Path
):
    _, again = cloned(engine, tmp_path / "1", PORTRAIT, driving, seed=3)
    _, other = cloned(engine, tmp_path / "2", PORTRAIT, driving, seed=4)
    assert again.read_bytes() == made[1].read_bytes()
    assert other.read_bytes() != made[1].read_bytes()


def test_a_cancelled_call_stops_between_steps(engine: Any, driving: Path, tmp_path: Path):
    def stop(share: float) -> None:
        if share > 0.3:
            raise StoppedError

    files = workspace_of(tmp_path, PORTRAIT, driving, stop)
    with pytest.raises(StoppedError):
        engine.run(payload(), files)
    assert not files.output("result").exists()


def test_what_runs_out_of_memory_says_so(engine: Any, driving: Path, tmp_path: Path):
    import torch

    def full(share: float) -> None:
        if share > 0.3:
            raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError) as caught:
        engine.run(payload(), workspace_of(tmp_path, PORTRAIT, driving, full))
    assert get_error_code(caught.value) is ErrorCode.GPU_OOM


def test_a_driving_film_without_a_face_is_refused(engine: Any, tmp_path: Path):
    film = make_film(tmp_path / "pattern.mp4", seconds=0.2)
    with pytest.raises(EngineError) as caught:
        cloned(engine, tmp_path / "work", PORTRAIT, film)
    assert caught.value.code == ErrorCode.INPUT_INVALID


def test_it_says_what_it_is_and_needs_its_weights(engine: Any):
    assert (engine.info.name, engine.info.model) == ("production", MODELS["video"])
    with pytest.raises(FileNotFoundError, match="MODEL_DIR"):
        load("performance_cloning", "production")


def test_joints_are_told_in_pixels_of_each_frame(engine: Any):
    frame, points = face()
    large = np.repeat(np.repeat(frame, 2, axis=0), 2, axis=1)
    joints = engine._people.detect_keypoints([frame, large], [points, points * 2])
    assert [item.shape for item in joints] == [(17, 3), (17, 3)]
    middles = [np.median(item[:, :2], axis=0) for item in joints]
    assert middles[1] == pytest.approx(2 * middles[0], abs=0.2 * WIDTH)
    assert (joints[0][:, 2] != joints[0][0, 2]).any()


def test_the_person_around_the_face_is_chosen():
    import torch

    from gpu_tasks.performance_cloning.people import _choose_box

    _, points = face()
    x, y = points[:, :2].mean(axis=0)
    around, away = [x - 50, y - 50, x + 50, y + 80], [0.0, 0.0, 10.0, 10.0]

    def box(boxes: list[list[float]], labels: list[int]) -> Any:
        result = {"boxes": torch.tensor(boxes), "labels": torch.tensor(labels)}
        return _choose_box(result, points, HEIGHT, WIDTH)

    assert box([away, around], [0, 0]) == pytest.approx((x - 50, y - 50, 100, 130), abs=1e-3)
    assert box([away], [0]) == (0, 0, WIDTH, HEIGHT)
    assert box([around], [16]) == (0, 0, WIDTH, HEIGHT)  # a dog


def test_the_model_sees_faces_from_the_brows_to_the_chin():
    from gpu_tasks.performance_cloning.production import _crop_face

    frame, points = face()
    seen = _crop_face(frame, points, 64)
    assert seen.shape == (64, 64, 3)
    forehead, chin = points[10, 1], points[152, 1]
    marked = frame.copy()
    marked[: int(forehead)] = 0
    marked[int(chin) + 10 :] = 0
    assert (_crop_face(marked, points, 64) == seen).all()


@pytest.mark.parametrize("way", [(-90, 0), (90, 0), (0, -90), (0, 100), (4000, 0)])
def test_a_face_at_the_edge_is_shown_as_far_as_it_is_seen(way: tuple[int, int]):
    from gpu_tasks.performance_cloning.production import _crop_face

    frame, points = face()
    assert _crop_face(frame, points + np.array([*way, 0], np.float32), 64).shape == (64, 64, 3)


@pytest.mark.parametrize("frames", [1, 5, 6, 77, 78, 149, 150, 500])
def test_segments_hold_all_frames_and_suit_the_model(frames: int):
    from gpu_tasks.performance_cloning.wan import OVERLAP, SEGMENT, SHORTEST, plan_segments

    count, length = plan_segments(frames)
    assert OVERLAP < length <= SEGMENT
    assert length % 4 == 1
    steady = count * (length - OVERLAP) + OVERLAP
    assert frames <= steady < frames + max(4 * count, SHORTEST)
    assert steady // (length - OVERLAP) == count  # as the pipeline counts them


def test_the_longest_film_fits_the_time_at_a_size_worth_looking_at(engine: Any):
    from gpu_tasks.performance_cloning.wan import MAX_AREA, STEPS, _compute_max_frame_area

    assert _compute_max_frame_area(25 * MAX_SECONDS, STEPS) > 400 * 400
    assert _compute_max_frame_area(25 * 10, STEPS) > 512 * 512
    assert _compute_max_frame_area(50, STEPS) > MAX_AREA


@pytest.mark.parametrize("frames", [50, 250, 500])
def test_all_that_is_painted_and_coded_takes_the_time(frames: int):
    from gpu_tasks.performance_cloning import wan

    count, length = wan.plan_segments(frames)
    area = wan._compute_max_frame_area(frames, wan.STEPS)
    tokens = area / wan.MULTIPLE**2 * (2 + (length - 1) // 4)
    attention = 4 * wan._LAYERS * wan._CHANNELS * tokens**2
    steps = count * wan.STEPS * (2 * wan._WEIGHTS * tokens + attention)
    coded = count * length * area * (2 * wan._ENCODING + wan._DECODING)
    seconds = steps / wan._OPERATIONS_PER_SECOND + coded / wan._VAE_OPERATIONS_PER_SECOND
    assert seconds == pytest.approx(wan.PAINT_SECONDS)


def test_the_autoencoder_takes_what_it_is_allowed():
    import torch
    from diffusers import AutoencoderKLWan
    from torch.utils.flop_counter import FlopCounterMode

    from gpu_tasks.performance_cloning import wan

    with torch.device("meta"), torch.inference_mode():
        vae = AutoencoderKLWan().eval()
        film = torch.zeros(1, 3, 9, 64, 64)
        with FlopCounterMode(display=False) as encoding:
            latents = vae.encode(film).latent_dist.mean
        with FlopCounterMode(display=False) as decoding:
            vae.decode(latents)
    pixels = film.numel() / 3
    assert encoding.get_total_flops() / pixels == pytest.approx(wan._ENCODING, rel=0.1)
    assert decoding.get_total_flops() / pixels == pytest.approx(wan._DECODING, rel=0.1)


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(200, 200, (48, 48)), (400, 100, (96, 32)), (101, 407, (16, 96)), (2000, 2, (1520, 16))],
)
def test_a_size_is_a_multiple_of_sixteen(
    engine: Any, width: int, height: int, size: tuple[int, int]
):
    portrait = np.zeros((height, width, 3), np.uint8)
    assert engine._wan.choose_size(portrait, FRAMES) == size


def test_in_half_precision_all_but_the_autoencoder_is_halved(driving: Path, tmp_path: Path):
    import torch

    from gpu_tasks.performance_cloning import production
    from gpu_tasks.performance_cloning.wan import Effort

    model_dir = tiny.save(tmp_path / "models")
    effort = Effort(steps=1, max_area=32 * 32)
    engine: Any = production.ProductionEngine.load(Host(model_dir, dtype="bfloat16"), effort)
    pipeline = engine._wan._pipeline
    assert pipeline.transformer.dtype == pipeline.image_encoder.dtype == torch.bfloat16
    assert pipeline.vae.dtype == torch.float32
    result, _ = cloned(engine, tmp_path / "work", PORTRAIT, driving)
    assert (result.width, result.frames) == (32, FRAMES)
