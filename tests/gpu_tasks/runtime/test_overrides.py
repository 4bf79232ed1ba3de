"""What is set of contracts takes the place of what they declare; what cannot be is refused."""

from dataclasses import replace
from typing import Any

import pytest

from gpu_tasks.render import contract as render
from gpu_tasks.runtime import overrides
from gpu_tasks.runtime.contract import (
    CLASS_LIMITS,
    RENTED_GPUS,
    Contract,
    GpuClass,
    ImageFamily,
    Payload,
    PlainModel,
    get_rented_limit,
)
from gpu_tasks.runtime.engine import contracts
from gpu_tasks.runtime.isolated import build_limits
from gpu_tasks.runtime.overrides import InvalidOverrideError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = f"someone/Other.Model_2@{COMMIT}"


def declared(**fields: Any) -> Contract:
    """Return a contract as it would be made at the start of a process."""
    value: dict[str, Any] = {
        "name": "mime",
        "gpu": GpuClass.A10G,
        "image": ImageFamily.FACE,
        "time_limit_seconds": 600,
        "payload": Payload,
        "result": PlainModel,
        "models": {"face": f"a/face@{COMMIT}", "hand": f"a/hand@{COMMIT}"},
    }
    return Contract(**value | fields)


def test_without_settings_a_contract_is_what_it_declares():
    contract = declared()
    assert contract.defaults == {}
    assert (contract.gpu, contract.time_limit_seconds, contract.at_once) == ("A10G", 600, None)
    assert overrides.list_variables() == {}


def test_what_is_set_stands_in_its_place_and_the_default_beside_it(monkeypatch):
    source = {
        "FEATURE_AT_ONCE": "mime=3, other=1",
        "FEATURE_GPUS": "mime=L40S",
        "FEATURE_MODELS": f" mime.hand={OTHER},",
        "FEATURE_TIME_LIMITS": "other=20,mime=900",
    }
    for name, value in source.items():
        monkeypatch.setenv(name, value)
    contract = declared()
    assert (contract.at_once, contract.gpu, contract.time_limit_seconds) == (3, "L40S", 900)
    assert contract.models == {"face": f"a/face@{COMMIT}", "hand": OTHER}
    assert contract.defaults == {
        "at_once": None,
        "gpu": "A10G",
        "models": {"face": f"a/face@{COMMIT}", "hand": f"a/hand@{COMMIT}"},
        "time_limit_seconds": 600,
    }
    assert declared(name="others").defaults == {}
    assert overrides.list_variables() == source


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("FEATURE_AT_ONCE", "1", "at_once", 1),
        ("FEATURE_AT_ONCE", "1000", "at_once", 1000),
        ("FEATURE_TIME_LIMITS", "10", "time_limit_seconds", 10),
        ("FEATURE_TIME_LIMITS", "43200", "time_limit_seconds", 43200),
        *(("FEATURE_GPUS", name, "gpu", GpuClass(name)) for name in RENTED_GPUS),
    ],
)
def test_the_least_and_the_most_are_taken(monkeypatch, variable, value, field, expected):
    monkeypatch.setenv(variable, f"mime={value}")
    assert getattr(declared(), field) == expected


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("FEATURE_AT_ONCE", "mime=0", "sets mime to 0: use a whole number from 1 to 1000."),
        ("FEATURE_AT_ONCE", "mime=1001", "sets mime to 1001: use"),
        ("FEATURE_AT_ONCE", "mime=-1", "sets mime to -1: use"),
        ("FEATURE_AT_ONCE", "mime=many", "sets mime to many: use"),
        ("FEATURE_AT_ONCE", "mime=1,mime=2", "names mime twice."),
        ("FEATURE_AT_ONCE", "mime", "has 'mime': write name=value,name=value."),
        ("FEATURE_AT_ONCE", "=3", "has '=3': write"),
        ("FEATURE_TIME_LIMITS", "mime=9", "sets mime to 9: use a whole number from 10 to 43200."),
        ("FEATURE_TIME_LIMITS", "mime=43201", "sets mime to 43201: use"),
        ("FEATURE_TIME_LIMITS", "mime=600.5", "sets mime to 600.5: use"),
        (
            "FEATURE_GPUS",
            "mime=V100",
            "gives mime a GPU V100: use B200, H200, H100, A100-80GB, A100-40GB, L40S, A10G, L4, "
            "T4.",
        ),
        ("FEATURE_GPUS", "mime=CPU", "gives mime a GPU CPU: use"),
        ("FEATURE_GPUS", "mime=a10g", "gives mime a GPU a10g: use"),
        ("FEATURE_MODELS", f"mime={OTHER}", "names mime: use mime.face, mime.hand."),
        ("FEATURE_MODELS", f"mime.foot={OTHER}", "names mime.foot: use mime.face, mime.hand."),
        ("FEATURE_MODELS", "mime.face=a/b@main", "sets mime.face to a/b@main: use owner/name@"),
        ("FEATURE_MODELS", f"mime.face=../b@{COMMIT}", "sets mime.face to"),
        ("FEATURE_MODELS", f"mime.face=b@{COMMIT}", "sets mime.face to"),
        ("FEATURE_MODELS", f"mime.face=a/b@{COMMIT}0", "sets mime.face to"),
    ],
)
def test_what_cannot_be_is_refused_and_says_what_can(monkeypatch, variable, value, why):
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidOverrideError) as refused:
        declared()
    assert str(refused.value).startswith(f"{variable} {why}")


@pytest.mark.parametrize("limit", [1, 10_000])
def test_classes_of_gpus_have_limits_of_their_own(monkeypatch, limit):
    monkeypatch.setenv("GPU_LIMITS", f"L4={limit}")
    assert get_rented_limit(GpuClass.L4) == limit
    assert get_rented_limit(GpuClass.T4) == CLASS_LIMITS[GpuClass.T4]
    assert get_rented_limit(GpuClass.CPU) is None
    assert overrides.list_variables() == {}


@pytest.mark.parametrize("value", ["L4=0", "L4=10001", "L4=many", "CPU=5", "V100=1", "L4"])
def test_what_no_class_can_have_is_refused(monkeypatch, value):
    monkeypatch.setenv("GPU_LIMITS", value)
    with pytest.raises(InvalidOverrideError, match=r"^GPU_LIMITS "):
        get_rented_limit(GpuClass.L4)


def test_a_function_without_models_says_so(monkeypatch):
    monkeypatch.setenv("FEATURE_MODELS", f"mime.face={OTHER}")
    with pytest.raises(InvalidOverrideError, match=r"names mime\.face: there is none\."):
        declared(models={})


@pytest.mark.parametrize("variable", overrides.VARIABLES)
def test_a_function_that_is_not_there_is_named(monkeypatch, variable):
    monkeypatch.setenv(variable, "mime.face=1" if variable == "FEATURE_MODELS" else "mime=1")
    with pytest.raises(InvalidOverrideError) as refused:
        contracts.__wrapped__()
    assert str(refused.value).startswith(f"{variable} names mime: use audio_generation, ")


@pytest.mark.parametrize(
    ("fields", "gpu", "why"),
    [
        ({"gpu": GpuClass.CPU}, "L4", "it runs on CPUs"),
        ({"dtype": "bfloat16"}, "T4", "it reckons in bfloat16, which that has not"),
        ({"gpu_memory_gb": 25}, "L4", "it needs 25 GB of memory, that has 24"),
    ],
)
def test_a_gpu_that_it_cannot_run_on_is_refused(monkeypatch, fields, gpu, why):
    monkeypatch.setenv("FEATURE_GPUS", f"mime={gpu}")
    with pytest.raises(InvalidOverrideError) as refused:
        declared(**fields)
    assert str(refused.value) == f"FEATURE_GPUS gives mime a {gpu}: {why}."


def test_it_needs_no_more_memory_than_is_known(monkeypatch):
    monkeypatch.setenv("FEATURE_GPUS", "mime=L4")
    assert declared(gpu_memory_gb=24).gpu is GpuClass.L4
    monkeypatch.setenv("FEATURE_MODELS", f"mime.face={OTHER}")  # nobody knows how large
    assert declared(gpu_memory_gb=25).gpu is GpuClass.L4


def test_every_contract_fits_the_gpu_that_it_declares():
    assert all(item.gpu.memory_gb >= item.gpu_memory_gb for item in contracts().values())
    assert set(CLASS_LIMITS) == {GpuClass(name) for name in RENTED_GPUS}


def test_a_time_limit_reaches_the_sandbox_and_what_is_planned_with_it(monkeypatch):
    output = render.Output(format="mp4", width=3840, height=2160, frame_rate="30")
    before = output.longest_ms
    halved = replace(render.CONTRACT, time_limit_seconds=render.CONTRACT.time_limit_seconds // 2)
    monkeypatch.setattr(render, "CONTRACT", halved)
    assert output.longest_ms == before // 2
    assert build_limits(halved).wall_seconds == halved.time_limit_seconds
