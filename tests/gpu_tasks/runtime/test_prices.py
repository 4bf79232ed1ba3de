"""The price table names every class that a function can run on."""

from gpu_tasks.runtime.contract import GpuClass
from gpu_tasks.runtime.prices import USD_PER_SECOND


def test_every_class_has_a_price():
    assert set(USD_PER_SECOND) == set(GpuClass)


def test_larger_gpus_cost_more_and_cpus_are_ours():
    prices = [
        USD_PER_SECOND[gpu]
        for gpu in (GpuClass.CPU, GpuClass.L4, GpuClass.A10G, GpuClass.A100_80GB)
    ]
    assert prices[0] == 0
    assert prices == sorted(prices)
