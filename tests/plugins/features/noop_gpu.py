"""The feature that does nothing, with a production engine."""

from gpu_tasks.noop_gpu import contract
from jobs.features.noop import Noop


class NoopGpu(Noop):
    """The declaration."""

    name = "noop_gpu"
    summary = "Do nothing on a GPU"
    contract = contract.CONTRACT


FEATURE = NoopGpu()
