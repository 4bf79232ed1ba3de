"""What each role of staff may do; superusers may do everything, but to what is their own."""

from collections.abc import Mapping

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from accounts.models import User
from gpu_tasks.runtime.errors import AuteurError

SUPERUSER = "superuser"
ROLES: Mapping[str, frozenset[str]] = {
    # Helps clients: sees what is theirs, moves neither money nor plans.
    "support": frozenset(
        {
            "accounts.view_user",
            "accounts.change_user",
            "accounts.view_content",
            "accounts.view_subscription",
            "accounts.view_apikey",
            "accounts.change_apikey",
            "credits.view_credits",
            "credits.view_credittransaction",
            "credits.view_creditgrant",
            "jobs.view_job",
            "jobs.change_job",
            "jobs.view_webhookendpoint",
            "jobs.view_webhookdelivery",
            "projects.view_project",
            "projects.change_project",
            "media.view_mediafile",
            "media.change_mediafile",
            "media.view_mediaimport",
            "media.view_voiceclone",
            "media.change_voiceclone",
            "media.view_consent",
            "media.change_consent",
        }
    ),
    # Moves money and plans; sees who clients are and what jobs cost, not what is in them.
    "billing": frozenset(
        {
            "accounts.view_user",
            "accounts.view_subscription",
            "accounts.change_subscription",
            "credits.view_credits",
            "accounts.view_billingcustomer",
            "accounts.change_billingcustomer",
            "accounts.view_billingevent",
            "accounts.change_billingevent",
            "accounts.view_billingpayment",
            "accounts.view_autotopup",
            "accounts.view_topup",
            "credits.change_credits",
            "credits.view_credittransaction",
            "credits.view_creditgrant",
            "credits.view_creditcorrection",
            "jobs.view_job",
        }
    ),
    # Keeps things running; sees neither who clients are nor what is theirs.
    "ops": frozenset(
        {
            "jobs.view_circuit",
            "jobs.view_job",
            "jobs.change_job",
            "jobs.view_webhookendpoint",
            "jobs.view_webhookdelivery",
            "jobs.view_partner",
            "jobs.view_partnerrequest",
            "jobs.view_deadletter",
        }
    ),
}


class MissingPermissionError(AuteurError):
    """A role names a permission that there is not (yet): `migrate` makes them."""


@transaction.atomic
def ensure_roles() -> list[Group]:
    """The groups of the roles, with just these rights; doing it again changes nothing."""
    return [_ensure(name, permissions) for name, permissions in ROLES.items()]


def _ensure(name: str, wanted: frozenset[str]) -> Group:
    group, _ = Group.objects.get_or_create(name=name)
    pairs = [permission.split(".") for permission in sorted(wanted)]
    condition = Q()
    for app, codename in pairs:
        condition |= Q(content_type__app_label=app, codename=codename)
    found = list(Permission.objects.filter(condition))
    if len(found) != len(wanted):
        raise MissingPermissionError(f"Permissions of {name} are missing: run migrate.")
    group.permissions.set(found)
    return group


def can_grant_credits(*, by: User, user: User) -> bool:
    """Whether a member of staff may give credits to a user: nobody gives them to themselves."""
    return by.pk != user.pk and by.has_perm("credits.change_credits")
