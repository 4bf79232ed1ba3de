"""A user asks for an export, looks how far it is, and takes it back."""

from collections.abc import Collection

from django.db import transaction

from accounts.exporting.deletion import delete_export
from accounts.models import AccountExport, ExportStatus, User
from auteur.api.problems import NotFoundProblem, Problem, Resource
from media.storage import object_storage

MEDIA = "media"


class ExportOpenProblem(Problem):
    """One at a time."""

    status_code = 409
    default_code = "export_open"
    default_detail = "An export is in progress. Wait for it or delete it."


@transaction.atomic
def create_export(*, user: User, include: Collection[str]) -> AccountExport:
    """Have an archive made, in the place of an earlier one; raises ``ExportOpenProblem``."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    earlier = AccountExport.objects.filter(user=user).first()
    if earlier is not None:
        if earlier.is_open:
            raise ExportOpenProblem
        delete_export(earlier)
    made = AccountExport.objects.create(user=user, with_media=MEDIA in include)
    made.refresh_from_db()
    return made


def get_export(*, user: User) -> AccountExport:
    """The user's export; raises ``NotFoundProblem``."""
    found = AccountExport.objects.filter(user=user).first()
    if found is None:
        raise NotFoundProblem(Resource.EXPORT)
    return found


@transaction.atomic
def delete_users_export(*, user: User) -> None:
    """Remove the user's export, whatever has become of it; raises ``NotFoundProblem``."""
    delete_export(get_export(user=user))


def download_url(export: AccountExport) -> str | None:
    """Where the archive can be fetched for a while; None while there is none."""
    if export.status != ExportStatus.READY:
        return None
    name = f"auteur-export-{export.created_at:%Y-%m-%d}.zip"
    return object_storage().presigned_get(export.object_key, filename=name)
