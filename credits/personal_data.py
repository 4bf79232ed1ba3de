"""The personal data of the ledger, which is kept when an account is erased."""

from uuid import UUID

from auteur.core.personal_data import (
    Listing,
    PersonalDataSource,
    Steps,
    list_rows,
    register_source,
)
from credits.models import CreditGrant, CreditTransaction


def register_personal_data() -> None:
    """Register the app's personal data; called once, when Django is ready."""
    register_source(
        PersonalDataSource(
            app="credits",
            owners={
                "credits.Credits": "user",
                "credits.CreditGrant": "user",
                "credits.CreditCorrection": "user",
                "credits.CreditTransaction": "user",
                "credits.KeySpending": None,
            },
            erase=_erase_nothing,
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


def _erase_nothing(user_id: UUID) -> Steps:
    return ()
