"""The second factor: enrolled, asked for, and guessed at no more than so often.

Failures are counted in the record of events, under a lock of the person: a store that is away, or
many connections at once, give nobody more tries.
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
from accounts.staff.login import KNOWN_FOR
from accounts.staff.models import (
    PURPOSE,
    SECRET_BYTES,
    Authenticator,
    EventKind,
    RecoveryCodes,
    StaffEvent,
)
from auteur import encryption
from gpu_tasks.runtime.errors import AuteurError

Passed = TypeVar("Passed")
COUNTED = (EventKind.VERIFICATION_FAILED, EventKind.IDENTITY_FAILED)


class TooManyFailuresError(AuteurError):
    """Right or wrong, nothing is looked at for a while."""


class NotBeingEnrolledError(AuteurError):
    """It was enrolled, or begun anew, in another window."""


# --- Enrolling --------------------------------------------------------------------------------


def is_enrolled(user: User) -> bool:
    """Whether there is an app that makes codes for them."""
    return Authenticator.objects.filter(user=user, confirmed=True).exists()


@transaction.atomic
def begin_enrolment(user: User) -> Authenticator:
    """A new secret, in place of one that was begun before; the app in use stays in use.

    It is for who asked: another window, which may be somebody else's, gets one of its own.
    """
    _lock(user.pk)
    Authenticator.objects.filter(user=user, confirmed=False).delete()
    secret = encryption.encrypt(token_bytes(SECRET_BYTES), purpose=PURPOSE)
    return Authenticator.objects.create(
        user=user, name="Authenticator", confirmed=False, secret=secret
    )


def get_pending_device(user: User, device_id: int | None) -> Authenticator:
    """What `begin_enrolment` gave; raises ``NotBeingEnrolledError``."""
    found = Authenticator.objects.filter(user=user, confirmed=False, pk=device_id).first()
    if found is None:
        raise NotBeingEnrolledError
    return found


@transaction.atomic
def complete_enrolment(
    request: HttpRequest, *, user: User, device_id: int | None, code: str
) -> tuple[Authenticator, list[str]] | None:
    """Use the app from now on, if it makes the right code; the recovery codes, to be shown once.

    Those of before, and the app, are good no more, nor are the sessions that they let in. Raises
    ``NotBeingEnrolledError``.
    """
    _lock(user.pk)
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
    """How many recovery codes were not used."""
    found = RecoveryCodes.objects.filter(user=user).first()
    return len(found.hashes) if found else 0


@transaction.atomic
def remove_second_factor(user: User) -> bool:
    """Take app and recovery codes away; whether there were any. Sessions need them anew at once."""
    _lock(user.pk)
    removed = [
        model.objects.filter(user=user).delete()[0] for model in (Authenticator, RecoveryCodes)
    ]
    if any(removed):
        events.record_event(EventKind.RESET, user_id=user.pk)
    return any(removed)


# --- Asking -----------------------------------------------------------------------------------


def verify_code(request: HttpRequest, *, user: User, code: str) -> Device | None:
    """The device that made the code, which is used up; raises ``TooManyFailuresError``."""
    return _attempt(
        request,
        user,
        lambda: _device_of(user, code),
        passed=EventKind.VERIFIED,
        failed=EventKind.VERIFICATION_FAILED,
    )


def confirm_identity(request: HttpRequest, *, user: User, given: str) -> bool:
    """Whether this is a code of theirs, or their password; raises ``TooManyFailuresError``."""
    return bool(
        _attempt(
            request,
            user,
            lambda: _device_of(user, given) or user.check_password(given),
            passed=EventKind.IDENTITY_CONFIRMED,
            failed=EventKind.IDENTITY_FAILED,
        )
    )


@transaction.atomic
def _attempt(
    request: HttpRequest,
    user: User,
    look: Callable[[], Passed],
    *,
    passed: EventKind,
    failed: EventKind,
) -> Passed:
    _lock(user.pk)
    if not _may_try(user, events.recorded_address(request)):
        raise TooManyFailuresError
    found = look()
    events.record_event(passed if found else failed, user_id=user.pk, request=request)
    return found


def _device_of(user: User, code: str) -> Device | None:
    devices = devices_for_user(user, for_verify=True)
    return next((device for device in devices if device.verify_token(code)), None)


def _lock(user_id: UUID) -> None:
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user_id)


def _may_try(user: User, address: str) -> bool:
    """Whoever guesses from elsewhere does not lock the person out of where they were let in."""
    failures = StaffEvent.objects.filter(user=user, kind__in=COUNTED)
    if not _is_below(settings.SECOND_FACTOR_RATE_LIMIT, failures.filter(address=address)):
        return False
    let_in = StaffEvent.objects.filter(
        user=user,
        kind=EventKind.VERIFIED,
        address=address,
        created_at__gt=timezone.now() - KNOWN_FOR,
    )
    return let_in.exists() or _is_below(settings.SECOND_FACTOR_ACCOUNT_RATE_LIMIT, failures)


def _is_below(limit: str, failures: QuerySet[StaffEvent]) -> bool:
    rate = parse(limit)
    since = timezone.now() - timedelta(seconds=rate.get_expiry())
    return failures.filter(created_at__gt=since).count() < rate.amount
