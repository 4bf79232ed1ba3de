"""What accounts hold of a person: who they are, their plans, and what staff wrote of them."""

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
from auteur.database import execute
from auteur.personal_data import (
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
    """To be called once, when Django is ready."""
    register_source(
        PersonalDataSource(
            room="accounts",
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
            scrub=_scrub,
            close=_close,
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


def anonymous_email(user_id: UUID) -> str:
    """What stands in the place of an address: nobody's, and always the same for the user."""
    return f"{user_id}@deleted.invalid"


def _close(user_id: UUID) -> Steps:
    is_over = User.objects.filter(pk=user_id, closing_at__lte=Now()).exists()
    return (end_charging if is_over else stop_charging)(user_id=user_id)


def _scrub(user_id: UUID) -> Steps:
    yield set_plan(user_id=user_id, plan=None)
    yield Subscription.objects.filter(user_id=user_id).update(stripe_subscription_id=None)
    user = User.objects.get(pk=user_id)
    _scrub_user(user)
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
    yield from _scrub_log(user_id)
    yield from _remove_sessions(user_id)


def _scrub_user(user: User) -> None:
    user.email = anonymous_email(user.pk)
    user.name = user.avatar_url = ""
    user.last_login = None
    user.is_active = user.is_staff = user.is_superuser = False
    user.set_unusable_password()
    user.groups.clear()
    user.user_permissions.clear()
    user.save()


def _scrub_log(user_id: UUID) -> Steps:
    """What staff wrote about what is the user's; and about what is deleted, whosever it was.

    Names of deleted rows would stay for ever, for nobody knows any more whose they were.
    """
    for page in iterate_pages(LogEntry.objects.exclude(object_repr="", change_message="")):
        ids = [entry.pk for entry in page if _is_theirs_or_gone(entry, user_id)]
        yield execute("SELECT scrub_admin_log(%(entries)s)", {"entries": ids})


def _is_theirs_or_gone(entry: LogEntry, user_id: UUID) -> bool:
    model = entry.content_type.model_class() if entry.content_type else None
    owner = _owners().get(model)
    if model is None or owner is None:
        return False
    rows = model._default_manager.filter(pk=entry.object_id)
    return not rows.exclude(**{owner: user_id}).exists()


def _owners() -> dict[Any, str]:
    return {
        apps.get_model(label): owner
        for holding in list_sources()
        for label, owner in holding.owners.items()
        if owner is not None
    }


def _remove_sessions(user_id: UUID) -> Steps:
    """Staff alone have any, so they are few."""
    for page in iterate_pages(Session.objects.all()):
        theirs = [one.pk for one in page if one.get_decoded().get("_auth_user_id") == str(user_id)]
        yield Session.objects.filter(pk__in=theirs).delete()
