"""Describe ledger rows. A refund's description has the job's status and error message."""

from jobs.models import Job
from jobs.states import JobStatus


def describe_charge(feature: str) -> str:
    """Describe the charge for a job of this feature, by its name."""
    return f"Charged for {_to_readable_name(feature)}"


def describe_refund(job: Job, status: JobStatus, reason: str) -> str:
    """Describe the refund of a job that ends with this status."""
    return f"Refunded, {_to_readable_name(job.type)} {status.value}: {reason}"


def describe_kept_price(message: str) -> str:
    """Return the error message of a job that is not refunded (`jobs.cancels`)."""
    return f"{message} It is not refunded: too many begun jobs ended without a result in 24 hours."


def describe_unused(credits: int, *, cost: int) -> str:
    """Return the reason of a partial refund."""
    return f"{credits} of {cost} credits were not used."


def _to_readable_name(feature: str) -> str:
    return feature.replace("_", " ")
