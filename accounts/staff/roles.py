"""The permissions of each staff role. Superusers have all, except on their own account."""

from collections.abc import Mapping

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from accounts.models import User
from gpu_tasks.runtime.errors import AuteurError

SUPERUSER = "superuser"
ROLES: Mapping[str, frozenset[str]] = {
    # Support helps clients: it sees their objects, and changes neither money nor plans.
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
    # Billing changes money and plans; it sees clients and the cost of jobs, not their content.
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
    # Ops operates the system; it sees neither clients nor their content.
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
    """A permission of a role does not exist (yet); `migrate` creates the permissions."""


@transaction.atomic
def ensure_roles() -> list[Group]:
    """Create or update the groups of the roles and return them; a repetition changes nothing."""
    return [_ensure_group(name, labels) for name, labels in ROLES.items()]


def _ensure_group(name: str, labels: frozenset[str]) -> Group:
    group, _ = Group.objects.get_or_create(name=name)
    pairs = [label.split(".") for label in sorted(labels)]
    condition = Q()
    for app, codename in pairs:
        condition |= Q(content_type__app_label=app, codename=codename)
    permissions = list(Permission.objects.filter(condition))
    if len(permissions) != len(labels):
        raise MissingPermissionError(
            f"Permissions of the role {name} are missing. Run migrate, which creates them."
        )
    group.permissions.set(permissions)
    return group


def can_grant_credits(*, by: User, user: User) -> bool:
    """Return True if a member of staff may grant credits to a user, who is not themselves."""
    return by.pk != user.pk and by.has_perm("credits.change_credits")
