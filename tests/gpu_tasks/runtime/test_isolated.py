"""Engines in a sandbox: the same results, and too much is an error of the call alone."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from gpu_tasks.compression.draft import DraftEngine
from gpu_tasks.runtime.confinement import MIB
from gpu_tasks.runtime.engine import contracts
from gpu_tasks.runtime.errors import POLICIES, AuteurError, EngineError, ErrorCode, StoppedError
from gpu_tasks.runtime.isolated import IsolatedEngine, build_limits, remove_urls
from gpu_tasks.runtime.runner import get_error_code
from tests.gpu_tasks.compression.calls import compress, payload
from tests.gpu_tasks.films import make_film

LIMITS = build_limits(contracts()["compression"])


@pytest.fixture(scope="module")
def engine() -> IsolatedEngine:
    return IsolatedEngine("compression", "draft")


def failure(root: Path, source: Path, **limits: Any) -> ErrorCode:
    small = IsolatedEngine("compression", "draft", limits=replace(LIMITS, **limits))
    with pytest.raises(EngineError) as caught:
        compress(small, root, source)
    return caught.value.code


def test_it_says_what_it_is(engine: IsolatedEngine) -> None:
    assert engine.info == DraftEngine().info


def test_it_does_what_the_engine_does_and_tells_how_far_it_is(
    engine: IsolatedEngine, tmp_path: Path
) -> None:
    source = make_film(tmp_path / "film.mp4")
    shares: list[float] = []
    entered: list[str] = []
    result, path = compress(
        engine, tmp_path / "work", source, progress=shares.append, enter=entered.append
    )
    assert entered == ["encoding"]
    assert path.stat().st_size == result.size_bytes > 0
    assert shares == sorted(shares)
    assert max(shares) > 0.5


def test_what_is_wrong_with_the_input_is_told_as_the_engine_tells_it(
    engine: IsolatedEngine, tmp_path: Path
) -> None:
    source = tmp_path / "film.mp4"
    source.write_bytes(b"no film")
    with pytest.raises(EngineError) as caught:
        compress(engine, tmp_path / "work", source)
    assert caught.value.code == ErrorCode.INPUT_INVALID


def test_who_stops_it_ends_the_process(engine: IsolatedEngine, tmp_path: Path) -> None:
    def stop(_share: float) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        compress(engine, tmp_path / "work", make_film(tmp_path / "film.mp4"), progress=stop)
    children = psutil.Process().children(recursive=True)
    assert not [
        item for item in children if "gpu_tasks.runtime.sandbox_child" in " ".join(item.cmdline())
    ]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGKILL, ErrorCode.GPU_UNAVAILABLE),
        (signal.SIGTERM, ErrorCode.GPU_UNAVAILABLE),
        (signal.SIGSEGV, ErrorCode.MODEL_ERROR),
        (signal.SIGABRT, ErrorCode.MODEL_ERROR),
    ],
)
def test_who_is_killed_may_try_again_and_who_crashes_may_not(
    engine: IsolatedEngine, tmp_path: Path, number: int, code: ErrorCode
) -> None:
    def strike(_share: float) -> None:
        for child in psutil.Process().children():
            if "gpu_tasks.runtime.sandbox_child" in " ".join(child.cmdline()):
                child.send_signal(number)

    with pytest.raises(AuteurError) as caught:
        compress(engine, tmp_path / "work", make_film(tmp_path / "film.mp4"), progress=strike)
    error = caught.value
    assert (error.code if isinstance(error, EngineError) else get_error_code(error)) == code
    assert POLICIES[code].retried is (code == ErrorCode.GPU_UNAVAILABLE)


def test_too_much_memory_and_time_are_errors_of_the_call(tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.mp4")
    assert failure(tmp_path / "time", source, wall_seconds=0.01) == ErrorCode.GPU_TIMEOUT
    assert failure(tmp_path / "file", source, file_bytes=1000) in {
        ErrorCode.INPUT_INVALID,
        ErrorCode.MODEL_ERROR,
    }
    assert source.exists()
    assert LIMITS.memory_bytes == 4096 * MIB


def test_a_call_in_the_sandbox_knows_no_address() -> None:
    bare = remove_urls(payload())
    assert "http" not in bare.model_dump_json()
    assert "http" in payload().model_dump_json()
