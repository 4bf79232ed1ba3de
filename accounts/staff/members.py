"""Creating staff: users who sign in to the admin with a password."""

import uuid

from django.db import transaction

from accounts import signup
from accounts.models import User
from accounts.staff import roles
from accounts.staff.roles import SUPERUSER
from credits import ledger
from gpu_tasks.runtime.errors import AuteurError


class NotPossibleError(AuteurError):
    """The user of this address cannot become staff; the message says why."""


@transaction.atomic
def ensure_staff(
    *, email: str, password: str, reset: bool = False, role: str = SUPERUSER
) -> tuple[User, bool]:
    """Make the user with this address staff; return them, and True if the password was set.

    The user is created if there is none. A client who becomes staff keeps their id. An existing
    password stays, unless ``reset``. The role replaces all earlier rights, individual ones too.
    """
    user = _get_or_create_user(email)
    if not user.is_active:
        raise NotPossibleError(f"User {user.email} is not active, so they cannot become staff.")
    password_set = reset or not user.has_usable_password()
    if password_set:
        user.set_password(password)
    user.is_staff, user.is_superuser = True, role == SUPERUSER
    user.save(update_fields=["password", "is_staff", "is_superuser", "updated_at"])
    groups = {group.name: group for group in roles.ensure_roles()}
    user.groups.set([groups[role]] if role in groups else [])
    user.user_permissions.clear()
    return user, password_set


def _get_or_create_user(email: str) -> User:
    try:
        email = signup.clean_email(email)
    except signup.EmailRequiredProblem as exc:
        raise NotPossibleError(f"{email} is not an email address.") from exc
    user = User.objects.filter(email=email).first()
    if user is None:
        return signup.sign_up(user_id=uuid.uuid4(), email=email)
    ledger.open_account(user_id=user.pk)
    return user
