"""Personal data of the API itself: responses that an `Idempotency-Key` repeats for a day."""

from uuid import UUID

from auteur.core.api.models import IdempotencyKey
from auteur.core.personal_data import PersonalDataSource, Steps, delete_in_batches, register_source


def register_personal_data() -> None:
    """Register the idempotency keys. Called once, when Django is ready."""
    register_source(
        PersonalDataSource(app="api", owners={"api.IdempotencyKey": "user"}, erase=_erase)
    )


def _erase(user_id: UUID) -> Steps:
    return delete_in_batches(IdempotencyKey.objects.filter(user_id=user_id))
