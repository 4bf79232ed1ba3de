"""What the API itself keeps of a person: answers that an `Idempotency-Key` repeats for a day."""

from uuid import UUID

from auteur.api.models import IdempotencyKey
from auteur.personal_data import Holding, Steps, register, removal


def register_holding() -> None:
    """To be called once, when Django is ready."""
    register(Holding(room="api", owners={"api.IdempotencyKey": "user"}, scrub=_scrub))


def _scrub(user_id: UUID) -> Steps:
    return removal(IdempotencyKey.objects.filter(user_id=user_id))
