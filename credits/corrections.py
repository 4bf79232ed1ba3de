"""What staff do to balances: they give, and take back what was wrong; much of it, only by two.

Up to ``TWO_EYES_CREDITS`` in a day are moved by one alone; what is above that is written down, and
done once a colleague approves. Nobody moves credits of their own, nor approves what they asked for
themselves (checks keep that, too).
"""

from collections import Counter
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DataError
from django.db.models import Sum
from django.db.models.functions import Now

from auteur.api.problems import NotFoundProblem, Problem, Resource
from credits import ledger
from credits.models import (
    CreditCorrection,
    CreditGrant,
    CreditTransaction,
    GrantKind,
    TransactionType,
)

DAY = timedelta(days=1)


class OwnAccountProblem(Problem):
    """It is the account of whoever asks or approves."""

    status_code = 403
    default_code = "own_account"
    default_detail = "Ask a colleague: nobody moves credits of their own."


class OwnRequestProblem(Problem):
    """Who asked cannot approve."""

    status_code = 403
    default_code = "own_request"
    default_detail = "Ask a colleague: nobody approves what they asked for."


class DecidedProblem(Problem):
    """It has been approved or refused before."""

    status_code = 409
    default_code = "decided"
    default_detail = "This has been decided."


class BalanceOutOfRangeProblem(Problem):
    """The balance would leave the range of its column."""

    status_code = 409
    default_code = "balance_out_of_range"
    default_detail = "The balance would leave the range that it can have."


class InvalidGrantProblem(Problem):
    """What was asked for can no longer be given."""

    status_code = 409
    default_code = "invalid_grant"


def request_correction(wanted: CreditCorrection) -> str:
    """Do what a member of staff wants, or write it down for a colleague; says what was done.

    Raises ``OwnAccountProblem``, and what `credits.ledger` raises. In the caller's transaction.
    """
    if wanted.user_id == wanted.asked_by_id:
        raise OwnAccountProblem
    if _moved_alone(wanted.asked_by_id) + wanted.amount <= settings.TWO_EYES_CREDITS:
        return _do(wanted)
    wanted.save(force_insert=True)
    return f"{wanted}: it waits for a colleague who approves."


def _moved_alone(by: UUID) -> int:
    """What they gave and took within a day without a colleague; nobody else counts meanwhile."""
    get_user_model().objects.select_for_update(no_key=True).get(pk=by)
    since = Now() - DAY
    grants = CreditGrant.objects.filter(by=by, created_at__gte=since)
    taken = CreditTransaction.objects.filter(
        type=TransactionType.ADJUSTMENT,
        created_at__gte=since,
        parts__contains=[{"by": str(by)}],
    )
    approved = CreditCorrection.objects.filter(asked_by=by, is_approved=True, decided_at__gte=since)
    # By the grant that is taken back of; what was given is under None, as in corrections.
    moved: Counter[int | None] = Counter()
    moved[None] = grants.aggregate(total=Sum("amount"))["total"] or 0
    for parts in taken.values_list("parts", flat=True):
        for part in parts or ():
            moved[part["grant_id"]] += part["wanted"]
    for grant_id, amount in approved.values_list("grant_id", "amount"):
        moved[grant_id] -= amount
    return (+moved).total()


def approve_correction(*, correction_id: UUID, by: UUID) -> str:
    """Do what a colleague asked for; says what was done. In the caller's transaction.

    Raises ``OwnRequestProblem``, ``OwnAccountProblem``, ``DecidedProblem``, and what
    `request_correction` raises.
    """
    wanted = _undecided(correction_id)
    if by == wanted.asked_by_id:
        raise OwnRequestProblem
    if by == wanted.user_id:
        raise OwnAccountProblem
    _decide(wanted, by=by, is_approved=True)
    return _do(wanted)


def reject_correction(*, correction_id: UUID, by: UUID) -> str:
    """Leave it undone, whoever asked; raises ``DecidedProblem``. In the caller's transaction."""
    wanted = _undecided(correction_id)
    _decide(wanted, by=by, is_approved=False)
    return f"{wanted}: refused."


def _undecided(correction_id: UUID) -> CreditCorrection:
    rows = CreditCorrection.objects.select_for_update(no_key=True)
    wanted = rows.filter(pk=correction_id).first()
    if wanted is None:
        raise NotFoundProblem(Resource.CORRECTION)
    if wanted.decided_at is not None:
        raise DecidedProblem
    return wanted


def _decide(wanted: CreditCorrection, *, by: UUID, is_approved: bool) -> None:
    CreditCorrection.objects.filter(pk=wanted.pk).update(
        decided_by=by, decided_at=Now(), is_approved=is_approved
    )


def _do(wanted: CreditCorrection) -> str:
    if wanted.grant_id is not None:
        taken = ledger.revoke_grant(
            user_id=wanted.user_id,
            grant_id=wanted.grant_id,
            amount=wanted.amount,
            reason=wanted.description,
            by=wanted.asked_by_id,
        )
        return f"Took {taken} of {wanted.amount} back."
    ledger.open_account(user_id=wanted.user_id)
    try:
        balance = ledger.grant(
            user_id=wanted.user_id,
            amount=wanted.amount,
            kind=GrantKind(wanted.kind),
            expires_at=wanted.expires_at,
            description=wanted.description,
            by=wanted.asked_by_id,
        )
    except ledger.InvalidGrantError as exc:
        raise InvalidGrantProblem(f"{exc}.") from exc
    except DataError as exc:
        raise BalanceOutOfRangeProblem from exc
    return f"Granted {wanted.amount}; the balance is {balance}."
