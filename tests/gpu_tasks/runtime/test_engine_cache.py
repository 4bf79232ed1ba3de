"""Engines are kept from call to call, and go where there is no room for more."""

from pathlib import Path

import pytest

from gpu_tasks.runtime.contract import EngineInfo
from gpu_tasks.runtime.engine import Host, contracts
from gpu_tasks.runtime.engine_cache import EngineCache, LoadedEngine


@pytest.fixture
def engines() -> EngineCache:
    return EngineCache()


def get(engines: EngineCache, device: str = "cpu", at_most: int | None = None) -> LoadedEngine:
    host = Host(Path("/models"), device, "float16")
    return engines.get("noop_gpu", "production", host, at_most=at_most)


def test_the_first_call_waits_for_its_engine_and_the_next_does_not(engines):
    first, second = get(engines), get(engines)
    assert first.seconds >= 0.2
    assert second.seconds == 0
    assert second.engine is first.engine


def test_an_engine_is_told_where_it_runs(engines):
    info = get(engines, device="cuda:1").engine.info
    model = contracts()["noop_gpu"].models["noop"]
    assert info == EngineInfo(name="production", model=f"{model}, float16 on cuda:1")


def test_what_was_used_longest_ago_makes_room(engines):
    expected = [get(engines, device, at_most=2).engine for device in ("a", "b")]
    assert get(engines, "a", at_most=2).engine is expected[0]
    get(engines, "c", at_most=2)
    assert get(engines, "a", at_most=2).seconds == 0
    assert get(engines, "b", at_most=2).seconds > 0


def test_without_a_bound_all_are_kept(engines):
    for device in "abc":
        get(engines, device)
    assert [get(engines, device).seconds for device in "abc"] == [0, 0, 0]


def test_room_is_made_before_anything_is_loaded(engines):
    get(engines, "a", at_most=1)
    with pytest.raises(ModuleNotFoundError):
        engines.get("noop_gpu", "none", Host(), at_most=1)
    assert get(engines, "a", at_most=1).seconds > 0
