"""Register jobs with lower layers, which call them without importing them."""

from collections.abc import Iterator
from contextlib import suppress

from auteur.core.personal_data import iterate_pages
from jobs import cached_figures, derived_media, lifecycle, objects, queries, sql
from jobs.audit import running_audit, timeline_audit
from jobs.models import Job
from jobs.orchestrator import periodic
from jobs.retention import sweeping
from jobs.states import OPEN
from media import checking
from media import deletion as media_deletion
from media.consents import derived_works
from media.models import Upload, VoiceClone
from projects import deletion as project_deletion
from projects.models import Project

JOBS_PER_BATCH = 500
"""Jobs that are detached from a project in one statement."""
CHECK_SECONDS = 2.0
"""The pause between checks whether figures, or a round of the audit, are due."""


def register_hooks() -> None:
    """Register all hooks; called once, when Django is ready."""
    media_deletion.register_usage(queries.list_open_jobs_reading)
    media_deletion.register_usage(queries.list_open_jobs_using_voice, VoiceClone)
    objects.register_owners()
    derived_works.register_derived_works(derived_media)
    checking.register_after_check(wake_jobs_waiting_for)
    project_deletion.register_before_delete(end_jobs_of_project)
    sweeping.register_sweep(
        sweeping.Sweep("deleted projects", None, project_deletion.continue_deletions)
    )
    periodic.register_periodic(cached_figures.count_jobs_by_status, seconds=CHECK_SECONDS)
    periodic.register_periodic(running_audit.audit_books, seconds=CHECK_SECONDS)
    periodic.register_periodic(timeline_audit.audit_timelines, seconds=CHECK_SECONDS)


def wake_jobs_waiting_for(upload: Upload) -> None:
    """Wake the jobs that wait for this upload, whose check has ended."""
    sql.run("wake_waiting_for_media", user_id=upload.user_id, upload_id=upload.pk)


def end_jobs_of_project(project: Project) -> Iterator[object]:
    """Cancel a project's open jobs and detach all its jobs from it.

    Jobs whose results are being delivered are not cancelled.
    """
    jobs = Job.objects.filter(user_id=project.user_id, project_id=project.pk, status__in=OPEN)
    for page in iterate_pages(jobs.only("pk")):
        for job in page:
            with suppress(lifecycle.JobFinishedProblem):
                lifecycle.cancel(
                    job_id=job.pk,
                    by="user",
                    reason="project deleted",
                    is_limited=True,
                    without_refund=True,
                )
            yield job
    while detached_rows := sql.run("leave_project", project_id=project.pk, limit=JOBS_PER_BATCH):
        yield detached_rows
