"""The price of one second on each GPU class.

Modal's list prices (https://modal.com/pricing), as published in tables in November 2026. CPU cores
and memory are billed separately and are not included. Machines of our own have the prices of their
classes, unless the setting ``GPU_PRICES`` sets others.
"""

from collections.abc import Mapping

from gpu_tasks.runtime.contract import GpuClass

USD_PER_SECOND: Mapping[GpuClass, float] = {
    GpuClass.B200: 0.001736,
    GpuClass.H200: 0.001261,
    GpuClass.H100: 0.001097,
    GpuClass.A100_80GB: 0.000694,
    GpuClass.A100_40GB: 0.000583,
    GpuClass.L40S: 0.000542,
    GpuClass.A10G: 0.000306,
    GpuClass.L4: 0.000222,
    GpuClass.T4: 0.000164,
    GpuClass.CPU: 0.0,
}
"""US dollars for one GPU and one second, from the loading of the engine to the end of the call."""
