"""Wait, then succeed or fail, on a GPU."""

from dataclasses import replace

from gpu_tasks.noop import contract as noop

from gpu_tasks.runtime.contract import GpuClass

MODELS = {"noop": "nobody/noop@0000000000000000000000000000000000000001"}

CONTRACT = replace(noop.CONTRACT, name="noop_gpu", gpu=GpuClass.L4, models=MODELS)
