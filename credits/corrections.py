"""Corrections of balances by staff: granting and revoking credits, above a limit with approval.

A member of staff moves up to ``TWO_EYES_CREDITS`` per day alone. A correction above that is stored,
and executed once a colleague approves it. Nobody moves credits of their own account or approves
their own request; database checks enforce this, too.
"""

from collections import Counter
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DataError
from django.db.models import Sum
from django.db.models.functions import Now

from auteur.core.api.problems import NotFoundProblem, Problem, Resource
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
    """The credits are those of the member of staff who asks or approves."""

    status_code = 403
    default_code = "own_account"
    default_detail = "You cannot move your own credits. Ask a colleague."


class OwnRequestProblem(Problem):
    """The member of staff who requested a correction cannot approve it."""

    status_code = 403
    default_code = "own_request"
    default_detail = "You cannot approve your own request. Ask a colleague."


class DecidedProblem(Problem):
    """The correction was approved or rejected before."""

    status_code = 409
    default_code = "decided"
    default_detail = "This correction was already approved or rejected."


class BalanceOutOfRangeProblem(Problem):
    """The balance would exceed the range of its column."""

    status_code = 409
    default_code = "balance_out_of_range"
    default_detail = "The balance would exceed its allowed range. Use a smaller amount."


class InvalidGrantProblem(Problem):
    """The requested grant is no longer valid, for example because its expiry has passed."""

    status_code = 409
    default_code = "invalid_grant"


def request_correction(correction: CreditCorrection) -> str:
    """Execute a correction, or store it for approval; return a message that says which.

    Raises ``OwnAccountProblem`` and the errors of `credits.ledger`. Needs the caller's transaction.
    """
    if correction.user_id == correction.asked_by_id:
        raise OwnAccountProblem
    moved_credits = _count_credits_moved_alone(correction.asked_by_id)
    if moved_credits + correction.amount <= settings.TWO_EYES_CREDITS:
        return _execute_correction(correction)
    correction.save(force_insert=True)
    return f"{correction}: it waits for the approval of a colleague."


def _count_credits_moved_alone(by: UUID) -> int:
    """Return how many credits a member of staff moved within a day without approval.

    Locks their user row, so that their concurrent corrections are counted one after another.
    """
    get_user_model().objects.select_for_update(no_key=True).get(pk=by)
    since = Now() - DAY
    grants = CreditGrant.objects.filter(by=by, created_at__gte=since)
    revocations = CreditTransaction.objects.filter(
        type=TransactionType.ADJUSTMENT,
        created_at__gte=since,
        parts__contains=[{"by": str(by)}],
    )
    approved = CreditCorrection.objects.filter(asked_by=by, is_approved=True, decided_at__gte=since)
    # The keys are the revoked grants. Granted credits are under None, as in corrections.
    moved: Counter[int | None] = Counter()
    moved[None] = grants.aggregate(total=Sum("amount"))["total"] or 0
    for parts in revocations.values_list("parts", flat=True):
        for part in parts or ():
            moved[part["grant_id"]] += part["wanted"]
    for grant_id, amount in approved.values_list("grant_id", "amount"):
        moved[grant_id] -= amount
    return (+moved).total()


def approve_correction(*, correction_id: UUID, by: UUID) -> str:
    """Approve and execute a colleague's correction; return a message that says what was done.

    Raises ``OwnRequestProblem``, ``OwnAccountProblem``, ``DecidedProblem``, and the errors of
    `request_correction`. Needs the caller's transaction.
    """
    correction = _lock_undecided_correction(correction_id)
    if by == correction.asked_by_id:
        raise OwnRequestProblem
    if by == correction.user_id:
        raise OwnAccountProblem
    _store_decision(correction, by=by, is_approved=True)
    return _execute_correction(correction)


def reject_correction(*, correction_id: UUID, by: UUID) -> str:
    """Reject a correction, also one's own; return a message that says so.

    Raises ``DecidedProblem``. Needs the caller's transaction.
    """
    correction = _lock_undecided_correction(correction_id)
    _store_decision(correction, by=by, is_approved=False)
    return f"{correction}: rejected."


def _lock_undecided_correction(correction_id: UUID) -> CreditCorrection:
    rows = CreditCorrection.objects.select_for_update(no_key=True)
    correction = rows.filter(pk=correction_id).first()
    if correction is None:
        raise NotFoundProblem(Resource.CORRECTION)
    if correction.decided_at is not None:
        raise DecidedProblem
    return correction


def _store_decision(correction: CreditCorrection, *, by: UUID, is_approved: bool) -> None:
    CreditCorrection.objects.filter(pk=correction.pk).update(
        decided_by=by, decided_at=Now(), is_approved=is_approved
    )


def _execute_correction(correction: CreditCorrection) -> str:
    if correction.grant_id is not None:
        revoked_amount = ledger.revoke_grant(
            user_id=correction.user_id,
            grant_id=correction.grant_id,
            amount=correction.amount,
            reason=correction.description,
            by=correction.asked_by_id,
        )
        return f"Took {revoked_amount} of {correction.amount} back."
    ledger.open_account(user_id=correction.user_id)
    try:
        balance = ledger.grant(
            user_id=correction.user_id,
            amount=correction.amount,
            kind=GrantKind(correction.kind),
            expires_at=correction.expires_at,
            description=correction.description,
            by=correction.asked_by_id,
        )
    except ledger.InvalidGrantError as exc:
        raise InvalidGrantProblem(f"{exc}.") from exc
    except DataError as exc:
        raise BalanceOutOfRangeProblem from exc
    return f"Granted {correction.amount}; the balance is {balance}."
