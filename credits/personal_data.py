"""What the ledger holds of a person. It stays when they go: it is the books."""

from uuid import UUID

from auteur.personal_data import Listing, PersonalDataSource, Steps, list_rows, register_source
from credits.models import CreditGrant, CreditTransaction


def register_personal_data() -> None:
    """To be called once, when Django is ready."""
    register_source(
        PersonalDataSource(
            room="credits",
            owners={
                "credits.Credits": "user",
                "credits.CreditGrant": "user",
                "credits.CreditCorrection": "user",
                "credits.CreditTransaction": "user",
                "credits.KeySpending": None,
            },
            scrub=_scrub,
            listings=(
                Listing(
                    "grants",
                    lambda user_id: list_rows(CreditGrant.objects.filter(user_id=user_id)),
                ),
                Listing(
                    "transactions",
                    lambda user_id: list_rows(CreditTransaction.objects.filter(user_id=user_id)),
                ),
            ),
        )
    )


def _scrub(user_id: UUID) -> Steps:
    return ()
