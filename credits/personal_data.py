"""What the ledger holds of a person. It stays when they go: it is the books."""

from uuid import UUID

from auteur.personal_data import Holding, Listing, Steps, register, rows_of
from credits.models import CreditGrant, CreditTransaction


def register_holding() -> None:
    """To be called once, when Django is ready."""
    register(
        Holding(
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
                    lambda user_id: rows_of(CreditGrant.objects.filter(user_id=user_id)),
                ),
                Listing(
                    "transactions",
                    lambda user_id: rows_of(CreditTransaction.objects.filter(user_id=user_id)),
                ),
            ),
        )
    )


def _scrub(user_id: UUID) -> Steps:
    return ()
