"""Balances and the ledger, to be read: money moves through `credits.ledger` alone."""

from typing import Any, ClassVar

from django.contrib import admin
from django.utils.html import format_html, format_html_join

from auteur.admin import EMPTY, GREEN, RED, ReadOnlyAdmin, SelectedFilter, badge, link, list_link
from credits.models import Credits, CreditTransaction

LATEST = 20
"""How many ledger rows an account's page shows."""


def signed_amount(row: CreditTransaction) -> str:
    """What was added or taken, in green or red."""
    return badge(f"{row.amount:+d}", GREEN if row.amount > 0 else RED)


@admin.register(Credits)
class CreditsAdmin(ReadOnlyAdmin):
    """An account with its latest movements."""

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
            [_cells(row) for row in rows],
        )
        return format_html(
            "<table><thead><tr><th>When (UTC)</th><th>Type</th><th>Amount</th><th>Balance</th>"
            "<th>Job</th><th>Description</th></tr></thead><tbody>{}</tbody></table>",
            cells,
        )


def _cells(row: CreditTransaction) -> tuple[Any, ...]:
    when = link("credits.CreditTransaction", row.pk, f"{row.created_at:%Y-%m-%d %H:%M:%S}")
    kind = row.get_type_display()
    return (
        when,
        kind,
        signed_amount(row),
        row.balance_after,
        link("jobs.Job", row.job_id),
        row.description,
    )


@admin.register(CreditTransaction)
class CreditTransactionAdmin(ReadOnlyAdmin):
    """The ledger."""

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
        return signed_amount(obj)

    @admin.display(description="balance", ordering="balance_after")
    def balance(self, obj: CreditTransaction) -> str:
        return str(obj.balance_after)

    @admin.display(description="job")
    def short_job_link(self, obj: CreditTransaction) -> str:
        """A link to the job, with enough of its id to tell jobs apart on a page."""
        return link("jobs.Job", obj.job_id, str(obj.job_id)[:8])

    @admin.display(description="job")
    def job_link(self, obj: CreditTransaction) -> str:
        return link("jobs.Job", obj.job_id)
