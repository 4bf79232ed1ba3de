"""Descriptions of ledger rows. That of a refund says why: the job's status and error message."""

from jobs.models import Job
from jobs.states import JobStatus


def describe_charge(feature: str) -> str:
    """Of the charge for a job of this feature, by its name."""
    return f"Charged for {_readable(feature)}"


def describe_refund(job: Job, status: JobStatus, reason: str) -> str:
    """Of the refund of a job that ends with this status."""
    return f"Refunded, {_readable(job.type)} {status.value}: {reason}"


def describe_kept_price(message: str) -> str:
    """The message of a job whose price is kept (`jobs.cancels`)."""
    return f"{message} It is not refunded: too many begun jobs ended without a result in 24 hours."


def describe_unused(credits: int, *, cost: int) -> str:
    """The reason of a partial refund."""
    return f"{credits} of {cost} credits were not used."


def _readable(feature: str) -> str:
    return feature.replace("_", " ")
