"""The personal data of the accounts app: users, plans, keys, payments and admin log entries."""

from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from accounts.billing.closing import end_charging, stop_charging
from accounts.exporting import deletion as exports
from accounts.models import (
    AccountExport,
    ApiKey,
    Authenticator,
    AutoTopUp,
    BillingPayment,
    RecoveryCodes,
    Subscription,
    TopUp,
    User,
)
from accounts.subscriptions import set_plan
from auteur.core.database import execute
from auteur.core.personal_data import (
    Listing,
    PersonalDataSource,
    Steps,
    delete_in_batches,
    iterate_pages,
    list_rows,
    list_sources,
    register_source,
)

SECRET = {"password", "is_superuser", "is_staff", "is_active"}


def register_personal_data() -> None:
    """Register the app's personal data; called once, when Django is ready."""
    register_source(
        PersonalDataSource(
            app="accounts",
            owners={
                "accounts.User": "pk",
                "accounts.Subscription": "user",
                "accounts.AccountClosing": "user",
                "accounts.AccountExport": "user",
                "accounts.ApiKey": "user",
                "accounts.Authenticator": "user",
                "accounts.RecoveryCodes": "user",
                "accounts.StaffEvent": "user",
                "accounts.AutoTopUp": "user",
                "accounts.BillingCustomer": "user",
                "accounts.BillingEvent": None,
                "accounts.BillingPayment": "user",
                "accounts.TopUp": "user",
                "admin.LogEntry": None,
                "sessions.Session": None,
            },
            erase=_erase,
            close=_stop_or_end_charging,
            listings=(
                Listing(
                    "profile",
                    lambda user_id: list_rows(User.objects.filter(pk=user_id), without=SECRET),
                ),
                Listing(
                    "subscriptions",
                    lambda user_id: list_rows(Subscription.objects.filter(user_id=user_id)),
                ),
                Listing(
                    "api_keys", lambda user_id: list_rows(ApiKey.objects.filter(user_id=user_id))
                ),
                Listing(
                    "payments",
                    lambda user_id: list_rows(BillingPayment.objects.filter(user_id=user_id)),
                ),
            ),
        )
    )


def build_anonymous_email(user_id: UUID) -> str:
    """Return the address that replaces an erased user's; it is always the same for a user."""
    return f"{user_id}@deleted.invalid"


def _stop_or_end_charging(user_id: UUID) -> Steps:
    has_ended = User.objects.filter(pk=user_id, closing_at__lte=Now()).exists()
    return (end_charging if has_ended else stop_charging)(user_id=user_id)


def _erase(user_id: UUID) -> Steps:
    yield set_plan(user_id=user_id, plan=None)
    yield Subscription.objects.filter(user_id=user_id).update(stripe_subscription_id=None)
    user = User.objects.get(pk=user_id)
    _erase_user(user)
    yield user
    for export in AccountExport.objects.filter(user_id=user_id):
        exports.delete_export(export)
        yield export
    keys = ApiKey.objects.filter(user_id=user_id)
    yield keys.filter(revoked_at=None).update(revoked_at=Now())
    yield keys.update(name="", allowed_addresses=[])
    for rows in (Authenticator, RecoveryCodes, AutoTopUp):
        yield from delete_in_batches(rows._default_manager.filter(user_id=user_id))
    yield TopUp.objects.filter(user_id=user_id).update(payment_method="")
    yield from _erase_log_entries(user_id)
    yield from _delete_sessions(user_id)


def _erase_user(user: User) -> None:
    user.email = build_anonymous_email(user.pk)
    user.name = user.avatar_url = ""
    user.last_login = None
    user.is_active = user.is_staff = user.is_superuser = False
    user.set_unusable_password()
    user.groups.clear()
    user.user_permissions.clear()
    user.save()


def _erase_log_entries(user_id: UUID) -> Steps:
    """Erase the names in log entries about the user's rows, and about deleted rows of any user.

    The owner of a deleted row is unknown, so its name could never be erased otherwise.
    """
    for page in iterate_pages(LogEntry.objects.exclude(object_repr="", change_message="")):
        ids = [entry.pk for entry in page if _is_of_user_or_deleted(entry, user_id)]
        yield execute("SELECT scrub_admin_log(%(entries)s)", {"entries": ids})


def _is_of_user_or_deleted(entry: LogEntry, user_id: UUID) -> bool:
    model = entry.content_type.model_class() if entry.content_type else None
    owner = _list_owner_fields().get(model)
    if model is None or owner is None:
        return False
    rows = model._default_manager.filter(pk=entry.object_id)
    return not rows.exclude(**{owner: user_id}).exists()


def _list_owner_fields() -> dict[Any, str]:
    return {
        apps.get_model(label): owner
        for source in list_sources()
        for label, owner in source.owners.items()
        if owner is not None
    }


def _delete_sessions(user_id: UUID) -> Steps:
    """Delete the user's sessions. All sessions are read: only staff have any, so they are few."""
    for page in iterate_pages(Session.objects.all()):
        keys = [
            session.pk
            for session in page
            if session.get_decoded().get("_auth_user_id") == str(user_id)
        ]
        yield Session.objects.filter(pk__in=keys).delete()
