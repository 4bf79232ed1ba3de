"""Enrolling and verifying second factors, with limits for wrong codes.

Failures are counted in the record of events, under a lock of the user. So neither an outage of
another store nor concurrent requests allow more tries.
"""

from collections.abc import Callable
from datetime import timedelta
from secrets import token_bytes
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django_otp import devices_for_user
from django_otp.models import Device
from limits import parse

from accounts.models import User
from accounts.staff import events
from accounts.staff.login import KNOWN_PERIOD
from accounts.staff.models import (
    PURPOSE,
    SECRET_BYTES,
    Authenticator,
    EventKind,
    RecoveryCodes,
    StaffEvent,
)
from auteur.core import encryption
from gpu_tasks.runtime.errors import AuteurError

Result = TypeVar("Result")
COUNTED = (EventKind.VERIFICATION_FAILED, EventKind.IDENTITY_FAILED)


class TooManyFailuresError(AuteurError):
    """There were too many failures: for a while, right codes are refused as well."""


class NotBeingEnrolledError(AuteurError):
    """The enrolment was completed or started anew in another window."""


# --- Enrolling --------------------------------------------------------------------------------


def is_enrolled(user: User) -> bool:
    """Return True if the user has a confirmed authenticator app."""
    return Authenticator.objects.filter(user=user, confirmed=True).exists()


@transaction.atomic
def begin_enrolment(user: User) -> Authenticator:
    """Create a pending authenticator with a new secret; replace an earlier pending one.

    The confirmed app stays in use. Each window gets a secret of its own, because another window
    may be an attacker's.
    """
    _lock_user(user.pk)
    Authenticator.objects.filter(user=user, confirmed=False).delete()
    secret = encryption.encrypt(token_bytes(SECRET_BYTES), purpose=PURPOSE)
    return Authenticator.objects.create(
        user=user, name="Authenticator", confirmed=False, secret=secret
    )


def get_pending_device(user: User, device_id: int | None) -> Authenticator:
    """Return the device of `begin_enrolment`; raises ``NotBeingEnrolledError``."""
    device = Authenticator.objects.filter(user=user, confirmed=False, pk=device_id).first()
    if device is None:
        raise NotBeingEnrolledError
    return device


@transaction.atomic
def complete_enrolment(
    request: HttpRequest, *, user: User, device_id: int | None, code: str
) -> tuple[Authenticator, list[str]] | None:
    """Confirm the app if the code is right; return it with its recovery codes, or None.

    The codes are shown only once. The earlier app and codes, and the sessions that they verified,
    become invalid. Raises ``NotBeingEnrolledError``.
    """
    _lock_user(user.pk)
    device = get_pending_device(user, device_id)
    if not device.verify_token(code):
        return None
    Authenticator.objects.filter(user=user, confirmed=True).delete()
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    RecoveryCodes.objects.filter(user=user).delete()
    recovery = RecoveryCodes(user=user, name="Recovery codes")
    codes = recovery.renew()
    recovery.save()
    events.record_event(EventKind.ENROLLED, user_id=user.pk, request=request)
    return device, codes


def count_recovery_codes(user: User) -> int:
    """Return how many recovery codes are unused."""
    codes = RecoveryCodes.objects.filter(user=user).first()
    return len(codes.hashes) if codes else 0


@transaction.atomic
def remove_second_factor(user: User) -> bool:
    """Delete the app and the recovery codes; return True if there were any.

    Open sessions need a new second factor immediately.
    """
    _lock_user(user.pk)
    counts = [
        model.objects.filter(user=user).delete()[0] for model in (Authenticator, RecoveryCodes)
    ]
    if any(counts):
        events.record_event(EventKind.RESET, user_id=user.pk)
    return any(counts)


# --- Verifying --------------------------------------------------------------------------------


def verify_code(request: HttpRequest, *, user: User, code: str) -> Device | None:
    """Use up a code and return its device, or None; raises ``TooManyFailuresError``."""
    return _verify_limited(
        request,
        user,
        lambda: _find_device(user, code),
        success_kind=EventKind.VERIFIED,
        failure_kind=EventKind.VERIFICATION_FAILED,
    )


def confirm_identity(request: HttpRequest, *, user: User, secret: str) -> bool:
    """Return True for a code or the password of the user; raises ``TooManyFailuresError``."""
    return bool(
        _verify_limited(
            request,
            user,
            lambda: _find_device(user, secret) or user.check_password(secret),
            success_kind=EventKind.IDENTITY_CONFIRMED,
            failure_kind=EventKind.IDENTITY_FAILED,
        )
    )


@transaction.atomic
def _verify_limited(
    request: HttpRequest,
    user: User,
    verify: Callable[[], Result],
    *,
    success_kind: EventKind,
    failure_kind: EventKind,
) -> Result:
    """Call ``verify``, unless there were too many failures, and record whether it succeeded."""
    _lock_user(user.pk)
    if not _can_try(user, events.get_recorded_address(request)):
        raise TooManyFailuresError
    result = verify()
    kind = success_kind if result else failure_kind
    events.record_event(kind, user_id=user.pk, request=request)
    return result


def _find_device(user: User, code: str) -> Device | None:
    devices = devices_for_user(user, for_verify=True)
    return next((device for device in devices if device.verify_token(code)), None)


def _lock_user(user_id: UUID) -> None:
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user_id)


def _can_try(user: User, address: str) -> bool:
    """Return True if the limits allow another try from this address.

    The limit of all addresses together does not apply to an address from which the user was
    verified, so that an attacker cannot lock them out.
    """
    failures = StaffEvent.objects.filter(user=user, kind__in=COUNTED)
    if not _is_below_limit(settings.SECOND_FACTOR_RATE_LIMIT, failures.filter(address=address)):
        return False
    verifications = StaffEvent.objects.filter(
        user=user,
        kind=EventKind.VERIFIED,
        address=address,
        created_at__gt=timezone.now() - KNOWN_PERIOD,
    )
    return verifications.exists() or _is_below_limit(
        settings.SECOND_FACTOR_ACCOUNT_RATE_LIMIT, failures
    )


def _is_below_limit(limit: str, failures: QuerySet[StaffEvent]) -> bool:
    rate = parse(limit)
    since = timezone.now() - timedelta(seconds=rate.get_expiry())
    return failures.filter(created_at__gt=since).count() < rate.amount
