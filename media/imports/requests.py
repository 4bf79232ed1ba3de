"""Start imports: create the media file at once, and leave the transfer to a worker."""

from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from yarl import URL

from auteur.core import encryption
from auteur.core.api.problems import Problem, field_problem
from auteur.core.net.outbound import RefusedURLError
from media.access import check_project
from media.content_types import get_media_type
from media.files import parse_display_name
from media.imports import contents
from media.imports.addresses import build_policy, parse_address, redact_address
from media.imports.limits import PURPOSE
from media.kinds import FILES
from media.models import MediaFile, MediaImport
from media.quota import admit_upload, find_plan
from media.storage import object_storage


class TooManyImportsProblem(Problem):
    """Raised if the user has the maximum number of open imports."""

    status_code = 409
    default_code = "too_many_imports"
    default_detail = "You have reached the limit of open imports. Wait or delete one."


def start_import(
    *, user_id: UUID, project_id: UUID | None, url: str, filename: str | None = None
) -> MediaFile:
    """Create an import of the file at the URL into the user's project, or into none.

    Raises ``NotFoundProblem``, a 400 about the URL or the file name, ``TooManyImportsProblem``, and
    what ``admit_upload`` raises.
    """
    address = _parse_url(url)
    media = _build_media(user_id, project_id, address, filename)
    with transaction.atomic():
        if project_id is not None:
            check_project(user_id=user_id, project_id=project_id, lock=True)
        # This locks the user, so no other request counts the user's imports at the same time.
        admit_upload(FILES, media, plan=find_plan(user_id))
        _check_count(user_id)
        media.save(force_insert=True)
        MediaImport.objects.create(
            media=media,
            user_id=user_id,
            source=redact_address(address),
            url=encryption.encrypt(url.encode(), purpose=PURPOSE),
            due_at=Now(),
        )
    return MediaFile.objects.select_related("url_import").get(pk=media.pk)


def _parse_url(url: str) -> URL:
    try:
        return parse_address(url, build_policy())
    except RefusedURLError as exc:
        raise field_problem("url", exc.code, str(exc)) from exc


def _build_media(
    user_id: UUID, project_id: UUID | None, address: URL, filename: str | None
) -> MediaFile:
    name = parse_display_name(filename) if filename else contents.get_name_in_url(address)
    # The type is a guess from the name until the server states it.
    media = MediaFile(
        user_id=user_id,
        project_id=project_id,
        name=name,
        type=get_media_type(contents.find_type_by_name(name) or ""),
    )
    media.r2_key = f"users/{user_id}/{FILES.room}/{media.pk}/{FILES.object_name}"
    media.r2_url = object_storage().presigned_get(media.r2_key).partition("?")[0]
    return media


def _check_count(user_id: UUID) -> None:
    imports = MediaImport.objects.filter(user_id=user_id, due_at__isnull=False)
    if imports.count() >= settings.MAX_OPEN_IMPORTS:
        raise TooManyImportsProblem(max_open_imports=settings.MAX_OPEN_IMPORTS)
