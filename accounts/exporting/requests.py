"""A user's requests to create, read and delete their export."""

from collections.abc import Collection

from django.db import transaction

from accounts.exporting.deletion import delete_export
from accounts.models import AccountExport, ExportStatus, User
from auteur.core.api.problems import NotFoundProblem, Problem, Resource
from media.storage import object_storage

MEDIA = "media"


class ExportOpenProblem(Problem):
    """An earlier export of the user is still being made."""

    status_code = 409
    default_code = "export_open"
    default_detail = "An export is in progress. Wait for it (GET /users/me/export) or delete it."


@transaction.atomic
def create_export(*, user: User, include: Collection[str]) -> AccountExport:
    """Create an export and delete an earlier one; raises ``ExportOpenProblem``."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    earlier = AccountExport.objects.filter(user=user).first()
    if earlier is not None:
        if earlier.is_open:
            raise ExportOpenProblem
        delete_export(earlier)
    export = AccountExport.objects.create(user=user, with_media=MEDIA in include)
    export.refresh_from_db()
    return export


def get_export(*, user: User) -> AccountExport:
    """Return the user's export; raises ``NotFoundProblem``."""
    export = AccountExport.objects.filter(user=user).first()
    if export is None:
        raise NotFoundProblem(Resource.EXPORT)
    return export


@transaction.atomic
def delete_users_export(*, user: User) -> None:
    """Delete the user's export in any state; raises ``NotFoundProblem``."""
    delete_export(get_export(user=user))


def build_download_url(export: AccountExport) -> str | None:
    """Return a signed URL of the archive, or None while it is not ready."""
    if export.status != ExportStatus.READY:
        return None
    name = f"auteur-export-{export.created_at:%Y-%m-%d}.zip"
    return object_storage().presigned_get(export.object_key, filename=name)
