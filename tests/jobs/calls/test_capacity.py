"""How many calls of a class may be in flight: rented GPUs, or those of our own."""

import pytest

from gpu_tasks.runtime.contract import CLASS_LIMITS, GpuClass
from jobs.calls.capacity import class_limit
from jobs.features.registry import features

ELSEWHERE = "modal"


@pytest.fixture(autouse=True)
def production(settings):
    """The features on the GPUs of their contracts."""
    settings.INFERENCE_ENGINE = "production"
    settings.INFERENCE_BACKEND = ELSEWHERE
    settings.INFERENCE_BACKENDS = {}
    settings.INFERENCE_ENGINES = {}


def test_rented_gpus_have_the_limits_of_their_classes():
    assert {gpu: class_limit(gpu) for gpu in CLASS_LIMITS} == dict(CLASS_LIMITS)


def test_of_rented_gpus_what_is_set(monkeypatch, settings):
    monkeypatch.setenv("GPU_LIMITS", "L4=500, H100=20")
    assert class_limit(GpuClass.L4) == 500
    assert class_limit(GpuClass.H100) == 20
    assert class_limit(GpuClass.T4) == CLASS_LIMITS[GpuClass.T4]
    settings.INFERENCE_BACKENDS = {"noop_gpu": "local"}
    settings.LOCAL_GPU_LIMITS = {"L4": 3}
    assert class_limit(GpuClass.L4) == 3


def test_our_own_are_as_many_as_we_say(settings):
    settings.INFERENCE_BACKENDS = {"noop_gpu": "local"}
    settings.LOCAL_GPU_LIMITS = {"L4": 3}
    assert class_limit(GpuClass.L4) == 3
    assert class_limit(GpuClass.A10G) == CLASS_LIMITS[GpuClass.A10G]


def test_nothing_said_is_one(settings):
    settings.INFERENCE_BACKEND = "local"
    settings.LOCAL_GPU_LIMITS = {"L4": 3}
    assert class_limit(GpuClass.A10G) == 1


def test_a_class_can_be_closed(settings):
    settings.INFERENCE_BACKEND = "local"
    settings.LOCAL_GPU_LIMITS = {"A10G": 0}
    assert class_limit(GpuClass.A10G) == 0


def test_a_number_for_gpus_that_are_rented_means_nothing(settings):
    settings.LOCAL_GPU_LIMITS = {"A10G": 1, "L4": 1}
    assert class_limit(GpuClass.A10G) == CLASS_LIMITS[GpuClass.A10G]


def test_drafts_take_no_gpu(settings):
    settings.INFERENCE_BACKEND = "local"
    settings.INFERENCE_ENGINES = {
        feature.name: "draft"
        for feature in features().values()
        if feature.contract.gpu == GpuClass.L4
    }
    assert class_limit(GpuClass.L4) == CLASS_LIMITS[GpuClass.L4]


def test_cpus_have_a_setting_of_their_own(settings):
    settings.CPU_LIMIT = 7
    settings.INFERENCE_BACKEND = "local"
    assert class_limit(GpuClass.CPU) == 7
