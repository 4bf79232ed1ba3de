"""Revoke a user's exports when a consent is revoked, because they may hold what it covers.

The app that makes the exports registers itself in its ``AppConfig.ready``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from media.consents import receipts
from media.consents.models import Consent, Removal, RemovedKind


@dataclass(frozen=True)
class RevokedExport:
    """An export that was revoked, and the key of its object, which may not exist yet."""

    id: UUID
    key: str
    size_bytes: int | None


ExportRevoker = Callable[[UUID], Iterable[RevokedExport]]
"""Revokes all archives of a user in the caller's transaction, including unfinished ones."""

_revokers: list[ExportRevoker] = []


def register_export_revoker(withdraw: ExportRevoker) -> None:
    """Register the function that revokes exports; call this when Django is ready."""
    _revokers[:] = [withdraw]


@transaction.atomic
def revoke_exports(consent: Consent) -> None:
    """Revoke the archives of the consent's user, and list them in the receipt."""
    revoked = [archive for withdraw in _revokers for archive in withdraw(consent.user_id)]
    receipts.add_removals(
        consent,
        (
            Removal(
                kind=RemovedKind.EXPORT,
                object_id=archive.id,
                key=archive.key,
                size_bytes=archive.size_bytes,
            )
            for archive in revoked
        ),
    )
