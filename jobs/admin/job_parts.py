"""Show a job's attempts, events and credits on its page in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join

from auteur.core.admin import (
    BLUE,
    BROWN,
    EMPTY,
    GREEN,
    GREY,
    RED,
    PartInline,
    ReadOnlyInline,
    badge,
    link,
)
from credits.admin import render_amount
from credits.models import CreditTransaction
from jobs.estimates.costs import annotate_costs
from jobs.models import Attempt, UserEvent
from jobs.states import COLOURS

HUES = {"grey": GREY, "blue": BLUE, "green": GREEN, "red": RED, "brown": BROWN}
TIMES = (
    "created_at",
    "claimed_at",
    "dispatched_at",
    "reported_at",
    "finished_at",
    "stop_requested_at",
    "stopped_at",
)


def render_coloured(value: str, text: str) -> str:
    """Return a job's status or an attempt's state in its colour."""
    return badge(text, HUES[COLOURS[value]])


def format_seconds(number: float | None) -> str:
    """Return a readable time."""
    return EMPTY if number is None else f"{number:,.1f} s"


def format_dollars(number: float | None) -> str:
    """Return a readable cost: GPU seconds are fractions of a cent."""
    return EMPTY if number is None else f"${number:,.4f}"


class AttemptInline(PartInline):
    """The attempts of the job."""

    model = Attempt
    fk_name = "job"
    ordering = ("number",)
    fields = (
        "number",
        "coloured_state",
        "runs_on",
        "took",
        "cost",
        "call_id",
        "worker",
        "error",
        "times",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """Return the attempts with their times, without large columns."""
        return annotate_costs(super().get_queryset(request)).defer("payload", "outcome", "result")

    @admin.display(description="state")
    def coloured_state(self, obj: Attempt) -> str:
        return render_coloured(obj.state, obj.get_state_display())

    @admin.display(description="backend / engine")
    def runs_on(self, obj: Attempt) -> str:
        return f"{obj.backend} / {obj.engine} ({obj.gpu_class})"

    @admin.display(description="took")
    def took(self, obj: Any) -> str:
        """Return the time in our queues, until its engine was ready, and of the call itself."""
        start = format_seconds(obj.start_seconds)
        if obj.load_seconds:
            start += f" (loading {format_seconds(obj.load_seconds)})"
        parts = (
            ("queue", format_seconds(obj.queue_seconds)),
            ("start", start),
            ("run", format_seconds(obj.run_seconds)),
        )
        return format_html_join("", '<div style="white-space:nowrap">{} {}</div>', parts)

    @admin.display(description="GPU cost")
    def cost(self, obj: Any) -> str:
        """Return the cost in US dollars."""
        return format_dollars(obj.gpu_cost)

    def error(self, obj: Attempt) -> str:
        return f"{obj.error_code}: {obj.error_message}" if obj.error_code else EMPTY

    @admin.display(description="times (UTC)")
    def times(self, obj: Attempt) -> str:
        marks = [(name[:-3].replace("_", " "), getattr(obj, name)) for name in TIMES]
        lines = [(name, f"{at:%m-%d %H:%M:%S}") for name, at in marks if at]
        return format_html_join("", '<div style="white-space:nowrap">{} {}</div>', lines)


class EventInline(PartInline):
    """The job's events that are numbered and still stored."""

    model = UserEvent
    fk_name = "job"
    ordering = ("seq",)
    fields = ("at", "type", "details")
    readonly_fields = fields

    @admin.display(description="at (UTC)")
    def at(self, obj: UserEvent) -> str:
        return f"{obj.created_at:%Y-%m-%d %H:%M:%S}"

    def details(self, obj: UserEvent) -> str:
        values = {"error": obj.data.get("error") and obj.data["error"]["code"], **obj.internal}
        return ", ".join(f"{name}: {value}" for name, value in values.items() if value) or EMPTY


class TransactionInline(ReadOnlyInline):
    """The job's charge and refunds, for staff who may see the ledger."""

    model = CreditTransaction
    fk_name = "job"
    ordering = ("seq",)
    fields = ("transaction", "type", "amount_moved", "balance_after", "description", "created_at")
    readonly_fields = fields
    verbose_name_plural = "credit transactions"

    def transaction(self, obj: CreditTransaction) -> str:
        return link("credits.CreditTransaction", obj.pk, f"No. {obj.seq}")

    @admin.display(description="amount")
    def amount_moved(self, obj: CreditTransaction) -> str:
        return render_amount(obj)
