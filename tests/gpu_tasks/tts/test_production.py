"""The production engine with tiny random weights, loaded as in production.

It needs torchaudio: see `tiny_f5` for how to run these tests.
"""

import json
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.runtime import runner, weights
from gpu_tasks.runtime.engine import Engine, Host, load
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.tts import planning
from gpu_tasks.tts.contract import MAX_CHARACTERS, MIN_SPEED, MODELS, SAMPLE_RATE
from gpu_tasks.tts.voices import NO_SPEECH, read_speech
from tests.gpu_tasks.recordings import BROKEN, SHORT
from tests.gpu_tasks.tts import tiny_f5
from tests.gpu_tasks.tts.calls import payload, speak, workspace_with

pytestmark = [pytest.mark.shims, pytest.mark.torch, pytest.mark.xdist_group("tts")]

SAMPLE_TEXT = " The story starts when she opens the letter"
TEXT = "Good morning to all of you. It rains."


def load_from(model_dir: Path) -> Engine:
    return load("tts", "production", Host(model_dir))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Models as small as these lose more to threads than they win."""
    tiny_f5.importable()
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny weights of every model, where the engine looks for them."""
    from tests.gpu_tasks.transcription import tiny_whisper

    folder = tmp_path_factory.mktemp("models")
    tiny_whisper.save(folder, says=SAMPLE_TEXT)
    return tiny_f5.save(folder)


@pytest.fixture(scope="session")
def engine(model_dir: Path) -> Engine:
    return load_from(model_dir)


def test_the_stock_voice_speaks_for_as_long_as_its_own_rate_says(engine: Engine, tmp_path: Path):
    result, path = speak(engine, tmp_path, TEXT)
    with wave.open(str(path)) as file:
        frames, rate = file.getnframes(), file.getframerate()
        samples = np.frombuffer(file.readframes(frames), "<i2")
    assert (rate, result.sample_rate) == (SAMPLE_RATE, SAMPLE_RATE)
    assert result.duration_ms == round(frames * 1000 / SAMPLE_RATE)
    assert result.characters == len(TEXT)
    assert 1_500 < result.duration_ms < 4_500  # 10 to 20 characters a second
    assert np.abs(samples).max() > 1000


def test_the_stock_voice_is_planned_for_before_it_is_loaded(engine: Engine, tmp_path: Path):
    from gpu_tasks.tts.production import ProductionEngine

    assert isinstance(engine, ProductionEngine)
    result = engine._load_sample(payload(TEXT), workspace_with(tmp_path))
    assert result.reference == planning.STOCK


def test_a_text_that_takes_too_long_is_refused(engine: Engine, tmp_path: Path):
    with pytest.raises(EngineError, match="% shorter") as caught:
        speak(engine, tmp_path, "是" * MAX_CHARACTERS, speed=MIN_SPEED)
    assert caught.value.code == ErrorCode.INPUT_INVALID


def test_a_sample_speaks_at_the_rate_of_its_words(engine: Engine, tmp_path: Path):
    result, _ = speak(engine, tmp_path, TEXT, voice=SHORT)
    seconds = read_speech(SHORT, SAMPLE_RATE).size / SAMPLE_RATE
    expected = seconds / len(SAMPLE_TEXT) * len(TEXT) * 1000
    assert result.duration_ms == pytest.approx(expected, rel=0.1)


def test_what_the_sample_says_is_heard(engine: Engine):
    from gpu_tasks.tts.production import ProductionEngine

    assert isinstance(engine, ProductionEngine)
    assert engine._listener.transcribe(read_speech(SHORT)) == SAMPLE_TEXT.strip()


@pytest.mark.parametrize("forced", [None, "transcribe", "translate"])
def test_what_the_sample_says_is_not_translated(tmp_path: Path, forced: str | None):
    """Whatever task a checkpoint's generation config forces, as many of Whisper's do."""
    from gpu_tasks.tts.production import SampleTranscriber
    from tests.gpu_tasks.transcription import tiny_whisper

    stored = (
        tiny_whisper.folder(tiny_whisper.save(tmp_path, says=SAMPLE_TEXT))
        / "generation_config.json"
    )
    config = json.loads(stored.read_text())
    if forced:
        config["forced_decoder_ids"] = [[1, None], [2, config["task_to_id"][forced]]]
    stored.write_text(json.dumps(config))
    listener = SampleTranscriber(Host(tmp_path))
    prompts: list[list[int]] = []
    listener._model.get_decoder().register_forward_pre_hook(
        lambda _, __, value: prompts.append(value["input_ids"][0].tolist()), with_kwargs=True
    )
    assert listener.transcribe(read_speech(SHORT)) == SAMPLE_TEXT.strip()
    task = config["task_to_id"]["transcribe"]
    assert [prompt[2] for prompt in prompts if len(prompt) > 2] == [task]


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_speed_changes_the_duration(engine: Engine, tmp_path: Path, speed: float):
    usual, _ = speak(engine, tmp_path / "1", TEXT)
    result, _ = speak(engine, tmp_path / "2", TEXT, speed=speed)
    assert result.duration_ms * speed == pytest.approx(usual.duration_ms, rel=0.05)


def test_the_same_seed_gives_the_same_sound(engine: Engine, tmp_path: Path):
    def said(name: str, seed: int) -> bytes:
        return speak(engine, tmp_path / name, "Good morning.", seed=seed)[1].read_bytes()

    assert said("1", 5) == said("2", 5)
    assert said("3", 6) != said("4", 5)


def test_pieces_are_joined_and_progress_is_told_at_each_step(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(planning, "STEPS", ((float("inf"), 8),))
    sentence = "This is a sentence of some length."
    alone, _ = speak(engine, tmp_path / "alone", sentence)
    monkeypatch.setattr(planning, "MAX_PIECE_BYTES", len(sentence))
    reports: list[float] = []
    files = workspace_with(tmp_path / "four", progress=reports.append)
    result = engine.run(payload(" ".join([sentence] * 4)), files)
    seams_ms = 3 * 0.15 * 1000
    assert result.duration_ms == pytest.approx(4 * alone.duration_ms - seams_ms, abs=5)
    assert reports == sorted(reports)
    assert reports[-1] == 1.0
    assert len(reports) == 4 * 8 + 2
    assert max(np.diff([0.0, *reports])) < 0.06


def test_a_stopped_call_writes_nothing_and_leaves_nothing_to_the_next(
    engine: Engine, tmp_path: Path
):
    before = speak(engine, tmp_path / "before", "Good morning.")[1].read_bytes()

    def stop_soon(share: float) -> None:
        if share > 0.3:
            raise StoppedError

    files = workspace_with(tmp_path / "stopped", progress=stop_soon)
    with pytest.raises(StoppedError):
        engine.run(payload("Another text, which is a longer one."), files)
    assert not files.output("result").exists()
    assert speak(engine, tmp_path / "after", "Good morning.")[1].read_bytes() == before


def test_too_little_memory_is_told_as_such(engine: Engine, tmp_path: Path):
    import torch

    def full(_share: float) -> None:
        raise torch.cuda.OutOfMemoryError

    files = workspace_with(tmp_path, progress=full)
    with pytest.raises(torch.cuda.OutOfMemoryError) as caught:
        engine.run(payload(TEXT), files)
    assert runner.get_error_code(caught.value) == ErrorCode.GPU_OOM


def test_a_sample_of_which_nothing_is_understood(model_dir: Path, tmp_path: Path):
    from tests.gpu_tasks.transcription import tiny_whisper

    for name in ("tts", "vocoder"):
        there = weights.get_folder(tmp_path / "models", MODELS[name])
        there.parent.mkdir(parents=True)
        there.symlink_to(weights.get_folder(model_dir, MODELS[name]))
    deaf = load_from(tiny_whisper.save(tmp_path / "models", says=" ..."))
    with pytest.raises(EngineError) as caught:
        speak(deaf, tmp_path / "work", TEXT, voice=SHORT)
    assert (caught.value.code, caught.value.message) == (ErrorCode.INPUT_INVALID, NO_SPEECH)


@pytest.mark.parametrize(
    ("text", "options"),
    [("...", {}), ("\x00", {}), (TEXT, {"voice": BROKEN})],
    ids=["nothing to say", "a control character", "a sample that does not decode"],
)
def test_what_cannot_be_spoken_is_refused(
    engine: Engine, tmp_path: Path, text: str, options: dict[str, Path]
):
    with pytest.raises(EngineError) as caught:
        speak(engine, tmp_path, text, **options)
    assert caught.value.code == ErrorCode.INPUT_INVALID


def test_weights_that_lie_alone_are_found(model_dir: Path, tmp_path: Path):
    for name in ("vocoder", "asr"):
        there = weights.get_folder(tmp_path / "models", MODELS[name])
        there.parent.mkdir(parents=True)
        there.symlink_to(weights.get_folder(model_dir, MODELS[name]))
    there = weights.get_folder(tmp_path / "models", MODELS["tts"])
    there.parent.mkdir(parents=True)
    there.symlink_to(weights.get_folder(model_dir, MODELS["tts"]) / "F5TTS_v1_Base")
    result, _ = speak(load_from(tmp_path / "models"), tmp_path / "work", "Good morning.")
    assert result.duration_ms > 500


def test_weights_of_another_format_are_missed_by_name(tmp_path: Path):
    from gpu_tasks.tts.f5 import Speaker

    folder = weights.get_folder(tmp_path, MODELS["tts"])
    folder.mkdir(parents=True)
    (folder / "model.pt").touch()
    with pytest.raises(FileNotFoundError, match=r"one model_\*\.safetensors is needed, 0 are in"):
        Speaker(Host(tmp_path))


def test_sizes_are_read_off_the_weights(model_dir: Path):
    from safetensors.torch import load_file

    from gpu_tasks.tts import f5

    folder = weights.get_folder(model_dir, MODELS["tts"]) / f5.VARIANT
    stored = load_file(folder / "model_1250000.safetensors")
    result = f5.infer_architecture(
        {name.removeprefix(f5.PREFIX): item for name, item in stored.items()}
    )
    assert result == {**tiny_f5.SIZES, "text_num_embeds": len(tiny_f5.VOCABULARY)}


def test_half_precision_speaks_as_well(model_dir: Path, tmp_path: Path):
    half = load("tts", "production", Host(model_dir, dtype="float16"))
    result, _ = speak(half, tmp_path, "Good morning.", voice=SHORT)
    assert result.duration_ms > 500


def test_without_a_folder_of_models_there_is_no_engine():
    with pytest.raises(FileNotFoundError, match="MODEL_DIR"):
        load("tts", "production")


def test_the_engine_says_what_it_is(engine: Engine):
    assert engine.info.name == "production"
    assert engine.info.model == MODELS["tts"]
