"""The Celery task of the room: a wake-up for one media file."""

from uuid import UUID

from celery import shared_task

from media.derivation import work

DERIVE = "media.derive"
"""The task, and its queue."""


@shared_task(name=DERIVE, ignore_result=True, time_limit=work.HARD_LIMIT_SECONDS)
def derive(media_id: str) -> None:
    """Make thumbnail, sprite strip and peaks, if they are still waited for."""
    work.run(UUID(media_id))
