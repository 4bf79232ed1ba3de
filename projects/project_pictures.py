"""Select a project's picture: the thumbnail of the first film or picture added to it."""

from django.db.models import OuterRef, QuerySet, Subquery

from media.models import MediaFile
from projects.models import Project

FIRST_THUMBNAIL = (
    MediaFile.objects.filter(
        project_id=OuterRef("pk"), project__isnull=False, thumbnail_r2_key__isnull=False
    )
    .order_by("created_at", "pk")
    .values("thumbnail_r2_key")[:1]
)


def annotate_thumbnails(rows: QuerySet[Project]) -> QuerySet[Project]:
    """Return the projects, each with the ``thumbnail_r2_key`` of its picture, or None."""
    return rows.annotate(thumbnail_r2_key=Subquery(FIRST_THUMBNAIL))  # type: ignore[no-redef]
