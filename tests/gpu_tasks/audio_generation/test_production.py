"""The production engine with tiny random weights, loaded as the real ones are."""

from itertools import pairwise
from pathlib import Path

import pytest

from gpu_tasks.audio_generation.contract import MODELS, RATE
from gpu_tasks.audio_generation.mastering import TARGET_LUFS, measure_loudness
from gpu_tasks.runtime.engine import Engine, Host, load
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.runtime.runner import get_error_code
from tests.gpu_tasks.audio_generation.calls import generate, payload, samples_of

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from gpu_tasks.audio_generation.production import STEPS  # noqa: E402 - it needs both
from tests.gpu_tasks.audio_generation import tiny  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("stable_audio")]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    torch.set_num_threads(1)  # tensors this small are only slowed down by more
    model_dir = tiny.save(tmp_path_factory.mktemp("models"))
    return load("audio_generation", "production", Host(model_dir))


def test_a_sound_of_the_exact_length_and_the_usual_loudness(engine: Engine, tmp_path: Path):
    result, path = generate(engine, tmp_path, payload("rain", 2, seed=3))
    sound = samples_of(path)
    assert sound.shape == (2, 2 * RATE)
    assert measure_loudness(sound) == pytest.approx(TARGET_LUFS, abs=2.0)
    assert (result.duration_ms, result.sample_rate, result.channels) == (2000, RATE, 2)
    assert (result.seed, result.layers) == (3, None)


def test_the_same_seed_gives_the_same_bytes_and_others_do_not(engine: Engine, tmp_path: Path):
    written = [
        generate(engine, tmp_path / str(number), payload(prompt, 1, seed))[1].read_bytes()
        for number, (prompt, seed) in enumerate(
            [("rain", 1), ("rain", 1), ("rain", 2), ("wind", 1)]
        )
    ]
    assert written[0] == written[1]
    assert len(set(written)) == 3


def test_progress_is_told_at_every_step(engine: Engine, tmp_path: Path):
    reports: list[float] = []
    generate(engine, tmp_path, payload(), reports.append)
    assert all(item <= following for item, following in pairwise(reports))
    assert reports[-1] == 1.0
    assert len(reports) > STEPS


def test_a_cancelled_call_stops_between_steps_and_the_engine_goes_on(
    engine: Engine, tmp_path: Path
):
    reports: list[float] = []

    def stop(share: float) -> None:
        reports.append(share)
        if share > 0.2:
            raise StoppedError

    with pytest.raises(StoppedError):
        generate(engine, tmp_path / "1", payload(), stop)
    assert sum(share > 0.2 for share in reports) == 1
    assert not (tmp_path / "1" / "out" / "result" / "0").exists()
    assert generate(engine, tmp_path / "2", payload())[0].duration_ms == 1000


@pytest.mark.parametrize(
    ("letters", "is_accepted"), [(tiny.MAX_TOKENS - 2, True), (tiny.MAX_TOKENS, False)]
)
def test_a_prompt_that_the_model_would_not_read_to_its_end_is_refused(
    engine: Engine, tmp_path: Path, letters: int, is_accepted: bool
):
    request = payload("z" * letters)
    if is_accepted:
        assert generate(engine, tmp_path, request)[0].duration_ms == 1000
        return
    with pytest.raises(EngineError) as caught:
        generate(engine, tmp_path, request)
    assert caught.value.code == ErrorCode.INPUT_INVALID
    assert f"reads {tiny.MAX_TOKENS} tokens" in caught.value.message


def test_what_overflows_is_no_sound(tmp_path: Path):
    model_dir = tiny.save(tmp_path / "models")
    broken = load("audio_generation", "production", Host(model_dir))
    with torch.no_grad():
        for weight in broken._pipeline.vae.decoder.parameters():
            weight.fill_(float("inf"))
    with pytest.raises(EngineError) as caught:
        generate(broken, tmp_path / "work", payload())
    assert caught.value.code == ErrorCode.MODEL_ERROR


def test_memory_that_does_not_suffice_is_told(engine: Engine, tmp_path: Path):
    def exhaust(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    hook = engine._pipeline.vae.decoder.register_forward_pre_hook(exhaust)
    try:
        with pytest.raises(torch.OutOfMemoryError) as caught:
            generate(engine, tmp_path, payload())
    finally:
        hook.remove()
    assert get_error_code(caught.value) == ErrorCode.GPU_OOM


def test_a_model_of_another_rate_is_not_loaded(tmp_path: Path):
    model_dir = tiny.save(tmp_path, rate=16_000)
    with pytest.raises(ValueError, match="16000 Hz"):
        load("audio_generation", "production", Host(model_dir))


def test_without_weights_it_does_not_load(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="MODEL_DIR"):
        load("audio_generation", "production")
    with pytest.raises(FileNotFoundError, match=MODELS["audio"].split("@")[1]):
        load("audio_generation", "production", Host(tmp_path))


def test_a_production_engine_names_its_model_and_revision(engine: Engine):
    assert (engine.info.name, engine.info.model) == ("production", MODELS["audio"])
