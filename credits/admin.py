"""Admin pages of balances, grants, the ledger and corrections, all read-only except by actions."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join

from auteur.core.admin import (
    EMPTY,
    GREEN,
    RED,
    ConfirmedActions,
    ReadOnlyAdmin,
    ReasonForm,
    SelectedFilter,
    badge,
    link,
    list_link,
    staff_id,
)
from credits import balances, corrections, ledger
from credits.models import CreditCorrection, CreditGrant, Credits, CreditTransaction

LATEST = 20
"""How many ledger rows an account's page shows."""


def render_amount(row: CreditTransaction) -> str:
    """Return the amount with its sign, in green if it was added and in red if it was taken."""
    return badge(f"{row.amount:+d}", GREEN if row.amount > 0 else RED)


@admin.register(Credits)
class CreditsAdmin(ReadOnlyAdmin):
    """The page of accounts, with their latest transactions."""

    list_display = ("account", "balance", "seq", "updated_at")
    list_select_related = ("user",)
    list_filter = (("user", SelectedFilter),)
    search_fields = ("user__email", "user__name")
    search_help_text = "Email or name, or the id of an account or a user"
    id_search_fields: ClassVar = ("pk", "user_id")
    ordering = ("-updated_at",)
    fields = ("owner", "balance", "seq", "updated_at", "transactions", "latest")

    @admin.display(description="account", ordering="user__email")
    def account(self, obj: Credits) -> str:
        return str(obj.user)

    @admin.display(description="user")
    def owner(self, obj: Credits) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    def transactions(self, obj: Credits) -> str:
        return list_link(
            "credits.CreditTransaction",
            f"All {obj.seq} transactions",
            user__id__exact=obj.user_id,
        )

    @admin.display(description="latest transactions")
    def latest(self, obj: Credits) -> str:
        rows = CreditTransaction.objects.filter(user_id=obj.user_id).order_by("-seq")[:LATEST]
        if not rows:
            return EMPTY
        cells = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            [_build_cells(row) for row in rows],
        )
        return format_html(
            "<table><thead><tr><th>When (UTC)</th><th>Type</th><th>Amount</th><th>Balance</th>"
            "<th>Job</th><th>Description</th></tr></thead><tbody>{}</tbody></table>",
            cells,
        )


def _build_cells(row: CreditTransaction) -> tuple[Any, ...]:
    when = link("credits.CreditTransaction", row.pk, f"{row.created_at:%Y-%m-%d %H:%M:%S}")
    kind = row.get_type_display()
    return (
        when,
        kind,
        render_amount(row),
        row.balance_after,
        link("jobs.Job", row.job_id),
        row.description,
    )


@admin.register(CreditTransaction)
class CreditTransactionAdmin(ReadOnlyAdmin):
    """The page of the ledger."""

    list_display = (
        "created_at",
        "owner",
        "type",
        "moved",
        "balance",
        "short_job_link",
        "description",
    )
    list_display_links = ("created_at",)
    list_select_related = ("user",)
    list_filter = ("type", "created_at", ("user", SelectedFilter), ("job", SelectedFilter))
    search_fields = ("user__email",)
    search_help_text = "Email, or the id of a transaction, a user or a job"
    id_search_fields: ClassVar = ("pk", "user_id", "job_id")
    ordering = ("-created_at", "-seq")
    fields = (
        "owner",
        "seq",
        "type",
        "moved",
        "balance_after",
        "job_link",
        "description",
        "created_at",
    )

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: CreditTransaction) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="amount", ordering="amount")
    def moved(self, obj: CreditTransaction) -> str:
        return render_amount(obj)

    @admin.display(description="balance", ordering="balance_after")
    def balance(self, obj: CreditTransaction) -> str:
        return str(obj.balance_after)

    @admin.display(description="job")
    def short_job_link(self, obj: CreditTransaction) -> str:
        """Return a link to the job, with enough of its id to tell jobs apart on a page."""
        return link("jobs.Job", obj.job_id, str(obj.job_id)[-8:])

    @admin.display(description="job")
    def job_link(self, obj: CreditTransaction) -> str:
        return link("jobs.Job", obj.job_id)


class RevocationForm(ReasonForm):
    """The form for revoking a grant or a part of it."""

    amount = forms.IntegerField(
        min_value=1,
        max_value=ledger.MAX_AMOUNT,
        help_text="Unspent credits are taken now, spent ones when a refund returns them.",
    )
    description = forms.CharField(
        max_length=200,
        widget=AdminTextInputWidget,
        help_text="The client reads this in their credit history.",
    )
    field_order = ("amount", "description", "reason")


class CorrectingAdmin(ConfirmedActions, ReadOnlyAdmin):
    """A page with actions for staff who may move credits."""

    def has_correct_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("credits.change_credits")

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: Any) -> str:
        return link("accounts.User", obj.user_id, obj.user)


@admin.register(CreditGrant)
class CreditGrantAdmin(CorrectingAdmin):
    """The page of grants, with an action to revoke them."""

    list_display = ("created_at", "owner", "kind", "amount", "expires_at", "source", "description")
    list_display_links = ("created_at",)
    list_select_related = ("user", "by")
    list_filter = ("kind", "created_at", ("user", SelectedFilter))
    search_fields = ("user__email", "source")
    search_help_text = "Email, source, or the id of a user"
    id_search_fields: ClassVar = ("user_id",)
    ordering = ("-id",)
    actions = ("take_back",)
    fields = (
        "owner",
        "kind",
        "amount",
        "remaining",
        "priority",
        "expires_at",
        "source",
        "description",
        "by",
        "created_at",
    )

    def remaining(self, obj: CreditGrant) -> str:
        """Return how many credits of the grant can be spent now."""
        open_grants = balances.read_balance(user_id=obj.user_id).grants
        return str(sum(grant.remaining for grant in open_grants if grant.id == obj.pk))

    def summary(self, obj: CreditGrant) -> str:
        return f"{obj.user}, {self.remaining(obj)} remaining"

    @admin.action(description="Take back", permissions=["correct"])
    def take_back(
        self, request: HttpRequest, queryset: QuerySet[CreditGrant]
    ) -> HttpResponse | None:
        return self.confirm(
            request,
            queryset,
            action="take_back",
            form_class=RevocationForm,
            perform=_request_revocation,
            moves_money=True,
        )


@admin.register(CreditCorrection)
class CreditCorrectionAdmin(CorrectingAdmin):
    """The page of corrections, with actions to approve and reject them."""

    list_display = (
        "asked_at",
        "owner",
        "__str__",
        "kind",
        "asked_by",
        "reason",
        "decided_by",
        "is_approved",
    )
    list_display_links = ("asked_at",)
    list_select_related = ("user", "asked_by", "decided_by")
    list_filter = ("is_approved", "asked_at", ("user", SelectedFilter))
    search_fields = ("user__email",)
    search_help_text = "Email, or the id of a request or a user"
    id_search_fields: ClassVar = ("pk", "user_id")
    ordering = ("-asked_at",)
    actions = ("approve", "refuse")
    fields = (
        "owner",
        "amount",
        "grant_link",
        "kind",
        "expires_at",
        "description",
        "reason",
        "asked_by",
        "asked_at",
        "decided_by",
        "decided_at",
        "is_approved",
    )

    @admin.display(description="revoked grant")
    def grant_link(self, obj: CreditCorrection) -> str:
        return link("credits.CreditGrant", obj.grant_id)

    def is_applicable(self, action: str, obj: CreditCorrection) -> bool:
        return obj.decided_at is None

    @admin.action(description="Approve", permissions=["correct"])
    def approve(
        self, request: HttpRequest, queryset: QuerySet[CreditCorrection]
    ) -> HttpResponse | None:
        return self.confirm(
            request,
            queryset,
            action="approve",
            form_class=ReasonForm,
            perform=_approve_correction,
            moves_money=True,
        )

    @admin.action(description="Refuse", permissions=["correct"])
    def refuse(
        self, request: HttpRequest, queryset: QuerySet[CreditCorrection]
    ) -> HttpResponse | None:
        return self.confirm(
            request, queryset, action="refuse", form_class=ReasonForm, perform=_reject_correction
        )


def _request_revocation(request: HttpRequest, grant: CreditGrant, values: Mapping[str, Any]) -> str:
    correction = CreditCorrection(
        user_id=grant.user_id, grant=grant, asked_by_id=staff_id(request), **values
    )
    return corrections.request_correction(correction)


def _approve_correction(
    request: HttpRequest, correction: CreditCorrection, values: Mapping[str, Any]
) -> str:
    return corrections.approve_correction(correction_id=correction.pk, by=staff_id(request))


def _reject_correction(
    request: HttpRequest, correction: CreditCorrection, values: Mapping[str, Any]
) -> str:
    return corrections.reject_correction(correction_id=correction.pk, by=staff_id(request))
