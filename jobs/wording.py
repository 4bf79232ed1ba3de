"""How credits and their return are told: jobs are charged and refunded, and a refund says why.

Its reason is what the job itself tells: its status, and the sentence of its error.
"""

from jobs.models import Job
from jobs.states import JobStatus


def charged(feature: str) -> str:
    """A ledger row's description of the charge for a job of this feature, by its name."""
    return f"Charged for {_said(feature)}"


def refunded(job: Job, status: JobStatus, reason: str) -> str:
    """A ledger row's description of the refund of a job that ends so."""
    return f"Refunded, {_said(job.type)} {status.value}: {reason}"


def unused(credits: int, *, cost: int) -> str:
    """The reason for a refund of a part."""
    return f"{credits} of {cost} credits were not used."


def _said(feature: str) -> str:
    return feature.replace("_", " ")
