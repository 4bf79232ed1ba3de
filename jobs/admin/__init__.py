"""Load the admin pages of jobs, which Django looks for here."""

from jobs.admin.circuits import CircuitAdmin
from jobs.admin.jobs import JobAdmin

__all__ = ["CircuitAdmin", "JobAdmin"]
