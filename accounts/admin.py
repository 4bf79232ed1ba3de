"""The admin page of users, where staff read clients and superusers manage staff."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts.api_keys.admin import ApiKeyAdmin
from accounts.billing.admin import (
    AutoTopUpAdmin,
    BillingCustomerAdmin,
    BillingEventAdmin,
    BillingPaymentAdmin,
    TopUpAdmin,
)
from accounts.models import Plan, Subscription, User
from accounts.staff.admin import RoleAdmin, StaffEventAdmin
from accounts.staff.roles import can_grant_credits
from accounts.subscriptions import set_plan
from auteur.core.admin import (
    EMPTY,
    ConfirmedActions,
    ConfirmedChanges,
    OwnObjectProblem,
    PartInline,
    ReasonForm,
    ask_identity,
    link,
    list_link,
    staff_id,
)
from credits import corrections, ledger
from credits.models import CreditCorrection, Credits, GrantKind

__all__ = [  # Django imports only this module, so the pages of the subpackages are listed here.
    "ApiKeyAdmin",
    "AutoTopUpAdmin",
    "BillingCustomerAdmin",
    "BillingEventAdmin",
    "BillingPaymentAdmin",
    "RoleAdmin",
    "StaffEventAdmin",
    "TopUpAdmin",
    "UserAdmin",
]

NO_PLAN = "none"
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")
"""The fields that only superusers may change, and not on their own user."""


class FutureField(forms.DateTimeField):
    """A form field for a time in the future, which may be empty."""

    def __init__(self, help_text: str) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"})
        super().__init__(required=False, widget=widget, help_text=help_text)

    def clean(self, value: Any) -> Any:
        """Return the time; raises ``ValidationError`` for a time in the past."""
        time = super().clean(value)
        if time is not None and time <= timezone.now():
            raise forms.ValidationError("This time is in the past. Enter one in the future.")
        return time


class GrantForm(ReasonForm):
    """The form for granting credits."""

    amount = forms.IntegerField(min_value=1, max_value=ledger.MAX_AMOUNT)
    kind = forms.ChoiceField(choices=GrantKind.choices, initial=GrantKind.PROMO)
    expires_at = FutureField("In UTC. Leave it empty if the credits do not expire.")
    description = forms.CharField(
        max_length=200,
        initial="Granted by support",
        widget=AdminTextInputWidget,
        help_text="The client reads this in their credit history.",
    )
    field_order = ("amount", "kind", "expires_at", "description", "reason")


class PlanForm(ReasonForm):
    """The form for setting a plan."""

    plan = forms.ChoiceField(choices=[*Plan.choices, (NO_PLAN, "No plan")])
    period_end = FutureField(
        "In UTC. Leave it empty if the plan does not end. The plan in force ends now."
    )
    field_order = ("plan", "period_end", "reason")


class PlanFilter(admin.SimpleListFilter):
    """A list filter by the plan in force."""

    title = "plan"
    parameter_name = "plan"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [*Plan.choices, (NO_PLAN, "No plan")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        in_force = Subscription.objects.in_force().filter(user=OuterRef("pk"))
        if self.value() == NO_PLAN:
            return queryset.filter(~Exists(in_force))
        if self.value():
            return queryset.filter(Exists(in_force.filter(plan=self.value())))
        return queryset


class SubscriptionInline(PartInline):
    """The user's past and present plans."""

    model = Subscription
    ordering = ("-created_at",)
    fields = (
        "plan",
        "status",
        "current_period_start",
        "current_period_end",
        "stripe_subscription_id",
        "created_at",
    )
    readonly_fields = fields


@admin.register(User)
class UserAdmin(ConfirmedActions, ConfirmedChanges, DjangoUserAdmin):
    """The page of users, with balance, plan and links to their objects."""

    form = forms.ModelForm
    list_display = (
        "email",
        "name",
        "plan_in_force",
        "balance",
        "is_active",
        "is_staff",
        "created_at",
    )
    list_select_related = ("credits",)
    list_filter = (
        PlanFilter,
        "is_active",
        "is_staff",
        ("closing_at", admin.EmptyFieldListFilter),
        "created_at",
    )
    search_fields = ("email", "name")
    search_help_text = "Email, name or id"
    ordering = ("-created_at",)
    actions = ("grant_credits", "change_plan")
    inlines = (SubscriptionInline,)
    fieldsets = (
        (None, {"fields": ("id", "email", "name", "avatar_url", "is_active", "password_link")}),
        (
            "Belongings",
            {
                "fields": (
                    "plan_in_force",
                    "balance",
                    "transactions",
                    "jobs",
                    "projects",
                    "media_files",
                    "voice_clones",
                    "api_keys",
                    "billing",
                )
            },
        ),
        ("Staff", {"fields": RIGHTS}),
        ("Times", {"fields": ("created_at", "updated_at", "last_login", "closing_at")}),
    )
    readonly_fields = (
        "id",
        "email",
        "avatar_url",
        "password_link",
        "plan_in_force",
        "balance",
        "transactions",
        "jobs",
        "projects",
        "media_files",
        "voice_clones",
        "api_keys",
        "billing",
        "created_at",
        "updated_at",
        "last_login",
        "closing_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return the users, annotated with their plan in force."""
        in_force = Subscription.objects.in_force().filter(user=OuterRef("pk"))
        return super().get_queryset(request).annotate(current_plan=in_force.values("plan")[:1])

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return the fields that this member of staff may not change on this user.

        Only superusers grant rights, nobody changes their own, and erased users stay inactive.
        """
        fields = list(super().get_readonly_fields(request, obj))
        is_own_user = obj is not None and obj.pk == request.user.pk
        if is_own_user or not _is_superuser(request):
            fields += RIGHTS
        if is_own_user or _is_erased(obj):
            fields.append("is_active")
        return fields

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return True if the user may be changed; only superusers may change staff.

        Otherwise, staff could take over another account by setting its password.
        """
        if obj is not None and obj.is_staff and not _is_superuser(request):
            return False
        return super().has_change_permission(request, obj)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Set the password of a member of staff; clients have none."""
        user = self.get_object(request, unquote(id))
        if user is not None and not user.is_staff:
            raise PermissionDenied
        return ask_identity(request) or super().user_change_password(request, id, form_url)

    # Columns

    @admin.display(description="plan", ordering="current_plan")
    def plan_in_force(self, obj: Any) -> str:
        return Plan(obj.current_plan).label if obj.current_plan else EMPTY

    @admin.display(description="balance", ordering="credits__balance")
    def balance(self, obj: User) -> str:
        account = _find_account(obj)
        return link("credits.Credits", account.pk, account.balance) if account else EMPTY

    # A user's page

    @admin.display(description="password")
    def password_link(self, obj: User) -> str:
        """Return a link to the page that sets a password of staff."""
        if not obj.is_staff:
            return "Clients sign in by token."
        url = reverse("admin:auth_user_password_change", args=(obj.pk,))
        return format_html('<a href="{}">Set a new password</a>', url)

    def transactions(self, obj: User) -> str:
        return _link_to_list("credits.CreditTransaction", "Credit transactions", obj)

    def jobs(self, obj: User) -> str:
        return _link_to_list("jobs.Job", "Jobs", obj)

    def projects(self, obj: User) -> str:
        return _link_to_list("projects.Project", "Projects", obj)

    def media_files(self, obj: User) -> str:
        return _link_to_list("media.MediaFile", "Media files", obj)

    def voice_clones(self, obj: User) -> str:
        return _link_to_list("media.VoiceClone", "Voice clones", obj)

    def api_keys(self, obj: User) -> str:
        return _link_to_list("accounts.ApiKey", "API keys", obj)

    def billing(self, obj: User) -> str:
        return _link_to_list("accounts.BillingPayment", "Payments", obj)

    # Actions

    def has_grant_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("credits.change_credits")

    def has_plan_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_subscription")

    def summary(self, obj: Any) -> str:
        account = _find_account(obj)
        balance = account.balance if account else 0
        return f"balance {balance} · plan: {self.plan_in_force(obj)}"

    @admin.action(description="Grant credits", permissions=["grant"])
    def grant_credits(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        return self.confirm(
            request,
            queryset,
            action="grant_credits",
            form_class=GrantForm,
            perform=_grant_credits,
            moves_money=True,
        )

    @admin.action(description="Set plan", permissions=["plan"])
    def change_plan(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        return self.confirm(
            request,
            queryset,
            action="change_plan",
            form_class=PlanForm,
            perform=_change_plan,
            moves_money=True,
        )


def _grant_credits(request: HttpRequest, user: User, values: Mapping[str, Any]) -> str:
    if not can_grant_credits(by=cast(User, request.user), user=user):
        raise OwnObjectProblem
    correction = CreditCorrection(user=user, asked_by_id=staff_id(request), **values)
    return corrections.request_correction(correction)


def _change_plan(request: HttpRequest, user: User, values: Mapping[str, Any]) -> str:
    plan = None if values["plan"] == NO_PLAN else Plan(values["plan"])
    set_plan(user_id=user.pk, plan=plan, period_end=values["period_end"] if plan else None)
    if plan is None:
        return "The user has no plan any more."
    end = values["period_end"]
    return f"Plan {plan.label} until {end:%Y-%m-%d %H:%M} UTC." if end else f"Plan {plan.label}."


def _find_account(user: User) -> Credits | None:
    return getattr(user, "credits", None)


def _link_to_list(model: str, text: str, user: User) -> str:
    return list_link(model, text, user__id__exact=user.pk)


def _is_erased(user: User | None) -> bool:
    if user is None or user.is_active or user.closing_at is None:
        return False
    return user.closing_at <= timezone.now()


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
