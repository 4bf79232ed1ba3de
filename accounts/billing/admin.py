"""Admin pages for Stripe's customers, events and payments, with actions to requeue and unflag."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.billing import events
from accounts.billing.models import (
    AutoTopUp,
    BillingCustomer,
    BillingEvent,
    BillingPayment,
    EventState,
    TopUp,
)
from auteur.core.admin import (
    BLUE,
    EMPTY,
    GREEN,
    GREY,
    RED,
    ConfirmedActions,
    ReadOnlyAdmin,
    ReasonForm,
    SelectedFilter,
    badge,
    link,
    list_link,
    two_lines,
)
from auteur.core.api.problems import Problem

COLOURS = {
    EventState.WAITING: BLUE,
    EventState.DONE: GREEN,
    EventState.IGNORED: GREY,
    EventState.SET_ASIDE: RED,
}


class NotSetAsideProblem(Problem):
    """The event is not set aside, so it cannot be queued again."""

    status_code = 409
    default_code = "not_set_aside"
    default_detail = (
        "This event is not set aside. Only events that are set aside can be queued again."
    )


class NotFlaggedProblem(Problem):
    """The account has no flag that could be cleared."""

    status_code = 409
    default_code = "not_flagged"
    default_detail = "This account has no flag to clear."


def format_money(amount: int, currency: str) -> str:
    """Return an amount as text, in the smallest unit of its currency, as Stripe counts it."""
    return f"{amount} {currency.upper()} (smallest unit)"


@admin.register(BillingCustomer)
class BillingCustomerAdmin(ConfirmedActions, ReadOnlyAdmin):
    """The page of customers at Stripe and their users."""

    list_display = ("stripe_id", "owner", "flag", "created_at")
    list_select_related = ("user",)
    list_filter = (("flagged_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("stripe_id", "user__email")
    search_help_text = "Stripe's id or email, or the id of a user"
    ordering = ("-created_at",)
    actions = ("clear_flag",)
    fields = (
        "owner",
        "stripe_id",
        "flag",
        "flagged_at",
        "plan_checked_at",
        "created_at",
        "payments",
        "events",
    )
    readonly_fields = fields

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: BillingCustomer) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="flag", ordering="flagged_at")
    def flag(self, obj: BillingCustomer) -> str:
        return badge(obj.flag_reason or "", RED) if obj.flagged_at else EMPTY

    def payments(self, obj: BillingCustomer) -> str:
        return list_link("accounts.BillingPayment", "Payments", user__id__exact=obj.user_id)

    def events(self, obj: BillingCustomer) -> str:
        return list_link("accounts.BillingEvent", "Events", q=obj.stripe_id)

    def is_applicable(self, action: str, obj: BillingCustomer) -> bool:
        return obj.flagged_at is not None

    def has_clear_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_billingcustomer")

    @admin.action(description="Clear flag", permissions=["clear"])
    def clear_flag(
        self, request: HttpRequest, queryset: QuerySet[BillingCustomer]
    ) -> HttpResponse | None:
        return self.confirm(
            request, queryset, action="clear_flag", form_class=ReasonForm, perform=_clear_flag
        )


def _clear_flag(request: HttpRequest, obj: BillingCustomer, values: Mapping[str, Any]) -> str:
    flagged_rows = BillingCustomer.objects.filter(pk=obj.pk, flagged_at__isnull=False)
    if not flagged_rows.update(flagged_at=None, flag_reason=None):
        raise NotFlaggedProblem
    return f"Cleared the flag: {obj.flag_reason}."


@admin.register(BillingEvent)
class BillingEventAdmin(ConfirmedActions, ReadOnlyAdmin):
    """The page of events from Stripe and their processing."""

    list_display = ("type", "stripe_id", "object_id", "coloured_state", "tries", "happened_at")
    list_filter = ("state", "reason", "is_found", "type", "happened_at")
    search_fields = ("=stripe_id", "=object_id", "=customer_id")
    search_help_text = "Stripe's id of an event, of its object, or of a customer"
    ordering = ("-happened_at", "-id")
    actions = ("work_again",)
    fields = (
        "type",
        "stripe_id",
        "object_id",
        "customer",
        "coloured_state",
        "detail",
        "is_live",
        "is_found",
        "tries",
        "holder",
        "due_at",
        "happened_at",
        "received_at",
    )
    readonly_fields = fields

    @admin.display(description="state", ordering="state")
    def coloured_state(self, obj: BillingEvent) -> str:
        state = EventState(obj.state)
        return two_lines(badge(state.label, COLOURS[state]), obj.get_reason_display())

    @admin.display(description="customer")
    def customer(self, obj: BillingEvent) -> str:
        customer = BillingCustomer.objects.filter(stripe_id=obj.customer_id).first()
        if customer is None:
            return obj.customer_id or EMPTY
        return link("accounts.BillingCustomer", customer.pk, customer)

    def owner_id(self, obj: BillingEvent) -> Any:
        """Return the id of the customer's user, or None."""
        customers = BillingCustomer.objects.filter(stripe_id=obj.customer_id)
        return customers.values_list("user_id", flat=True).first()

    def is_applicable(self, action: str, obj: BillingEvent) -> bool:
        return obj.state == EventState.SET_ASIDE

    def has_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_billingevent")

    @admin.action(description="Process again", permissions=["again"])
    def work_again(
        self, request: HttpRequest, queryset: QuerySet[BillingEvent]
    ) -> HttpResponse | None:
        return self.confirm(
            request, queryset, action="work_again", form_class=ReasonForm, perform=_requeue_event
        )


def _requeue_event(request: HttpRequest, obj: BillingEvent, values: Mapping[str, Any]) -> str:
    if not events.requeue_events(BillingEvent.objects.filter(pk=obj.pk)):
        raise NotSetAsideProblem
    return f"Queued again. It was set aside because: {obj.get_reason_display()}."


@admin.register(BillingPayment)
class BillingPaymentAdmin(ReadOnlyAdmin):
    """The page of payments, with the credits that they bought and lost."""

    list_display = ("stripe_id", "owner", "kind", "credits", "paid", "withdrawn", "shortfall")
    list_select_related = ("user",)
    list_filter = ("kind", "created_at", ("user", SelectedFilter))
    search_fields = ("=stripe_id", "user__email")
    search_help_text = "Stripe's id or email, or the id of a user"
    id_search_fields: ClassVar = ("pk", "user_id")
    ordering = ("-created_at",)
    fields = (
        "stripe_id",
        "owner",
        "kind",
        "credits",
        "expires_at",
        "paid",
        "gone_back",
        "withdrawn",
        "taken",
        "shortfall",
        "checked_at",
        "created_at",
    )
    readonly_fields = fields

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: BillingPayment) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="paid", ordering="amount")
    def paid(self, obj: BillingPayment) -> str:
        return format_money(obj.amount, obj.currency)

    @admin.display(description="refunded or disputed", ordering="lost")
    def gone_back(self, obj: BillingPayment) -> str:
        return format_money(obj.lost, obj.currency)

    @admin.display(description="shortfall", ordering=F("withdrawn") - F("taken"))
    def shortfall(self, obj: BillingPayment) -> str:
        return badge(str(obj.shortfall), RED) if obj.shortfall else EMPTY


@admin.register(AutoTopUp)
class AutoTopUpAdmin(ReadOnlyAdmin):
    """The page of automatic top-up settings."""

    list_display = ("owner", "pack", "threshold", "monthly_cap", "enabled", "off_reason")
    list_select_related = ("user",)
    list_filter = ("enabled", "off_reason")
    search_fields = ("user__email",)
    search_help_text = "Email, or the id of a user"
    ordering = ("-updated_at",)
    fields = (*list_display, "due_at", "updated_at", "top_ups")
    readonly_fields = fields

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: AutoTopUp) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="top-ups")
    def top_ups(self, obj: AutoTopUp) -> str:
        return list_link("accounts.TopUp", "Top-ups", user__id__exact=obj.user_id)


@admin.register(TopUp)
class TopUpAdmin(ReadOnlyAdmin):
    """The page of automatic top-ups."""

    list_display = ("created_at", "owner", "pack", "credits", "charged", "state", "error_code")
    list_select_related = ("user",)
    list_filter = ("state", "error_code", "created_at", ("user", SelectedFilter))
    search_fields = ("=stripe_id", "user__email")
    search_help_text = "Stripe's id of a payment or email, or the id of a user"
    id_search_fields: ClassVar = ("pk", "user_id")
    ordering = ("-created_at",)
    fields = ("id", "stripe_id", *list_display, "due_at")
    readonly_fields = fields

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: TopUp) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="charged", ordering="amount")
    def charged(self, obj: TopUp) -> str:
        return format_money(obj.amount, obj.currency)
