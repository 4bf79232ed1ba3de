"""What the rooms below ask jobs about, without importing them."""

from uuid import UUID

from jobs import consents, lifecycle, objects, queries
from jobs.models import Job
from jobs.states import OPEN
from media import deletion as media_deletion
from media.consents import works
from media.models import VoiceClone
from projects import deletion as project_deletion


def register() -> None:
    """To be called once, when Django is ready."""
    media_deletion.register_usage(queries.open_jobs_reading)
    media_deletion.register_usage(queries.open_jobs_speaking_with, VoiceClone)
    objects.register_owners()
    works.register(consents)
    project_deletion.register_before_delete(cancel_jobs_of_project)


def cancel_jobs_of_project(project_id: UUID) -> None:
    """Cancel a project's open jobs, unless their results are being delivered."""
    for job in Job.objects.filter(project_id=project_id, status__in=OPEN).only("pk"):
        try:
            lifecycle.cancel(
                job_id=job.pk,
                by="user",
                reason="project deleted",
                is_limited=True,
                without_refund=True,
            )
        except lifecycle.JobFinishedProblem:
            continue
