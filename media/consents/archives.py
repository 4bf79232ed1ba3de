"""Archives of all that is a user's: whoever revokes a consent has copies no longer.

The room above that makes them registers in its ``AppConfig.ready``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from media.consents import receipts
from media.consents.models import Consent, Removal, RemovedKind


@dataclass(frozen=True)
class Archive:
    """One that is given to nobody any more, and where it lies, or would have."""

    id: UUID
    key: str
    size_bytes: int | None


Withdraw = Callable[[UUID], Iterable[Archive]]
"""Takes back all archives of a user in the caller's transaction, those in the making as well."""

_withdraw: list[Withdraw] = []


def register_revocation(withdraw: Withdraw) -> None:
    """Have ``withdraw`` called when a consent is revoked; to be called when Django is ready."""
    _withdraw[:] = [withdraw]


@transaction.atomic
def revoke_exports(consent: Consent) -> None:
    """Take back the archives of the consent's user, and name them: any may hold what it covers."""
    found = [one for withdraw in _withdraw for one in withdraw(consent.user_id)]
    receipts.list_removals(
        consent,
        (
            Removal(
                kind=RemovedKind.EXPORT, object_id=one.id, key=one.key, size_bytes=one.size_bytes
            )
            for one in found
        ),
    )
