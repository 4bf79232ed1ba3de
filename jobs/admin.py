"""Jobs: staff read everything, edit nothing, and may cancel, requeue and run again."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminRadioSelect
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.timesince import timesince

from auteur.admin import (
    BLUE,
    BROWN,
    EMPTY,
    GREEN,
    GREY,
    RED,
    ConfirmedActions,
    PartInline,
    ReadOnlyAdmin,
    ReadOnlyInline,
    ReasonForm,
    SelectedFilter,
    badge,
    by_staff,
    link,
    pretty_json,
    two_lines,
)
from credits.admin import signed_amount
from credits.models import CreditTransaction
from jobs import lifecycle, submission
from jobs.features.base import Feature
from jobs.features.registry import features
from jobs.models import OPEN, Attempt, AttemptState, Event, Job, JobStatus
from media.models import MediaFile

COLOURS: Mapping[str, str] = {
    JobStatus.PENDING: GREY,
    JobStatus.PROCESSING: BLUE,
    JobStatus.COMPLETED: GREEN,
    JobStatus.FAILED: RED,
    JobStatus.CANCELLED: BROWN,
    AttemptState.QUEUED: GREY,
    AttemptState.BROKEN: RED,
}
"""Of job statuses and attempt states; every other state is one of work."""
CHARGED, ON_THE_HOUSE = "charged", "house"
TIMES = ("created", "claimed", "dispatched", "reported", "finished", "stop_requested", "stopped")


class RunAgainForm(ReasonForm):
    """Why, and who pays."""

    price = forms.ChoiceField(
        choices=[(CHARGED, "Charge the client the same again"), (ON_THE_HOUSE, "On the house")],
        widget=AdminRadioSelect(attrs={"class": "radiolist"}),
    )
    field_order = ("price", "reason")


class FeatureFilter(admin.SimpleListFilter):
    """By type; the types come from the registry, not from a walk over the table."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All declared features."""
        return [(name, name.replace("_", " ").capitalize()) for name in sorted(features())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """Jobs of the chosen type."""
        return queryset.filter(type=self.value()) if self.value() else queryset


class AttemptInline(PartInline):
    """Every try at the job."""

    model = Attempt
    fk_name = "job"
    ordering = ("number",)
    fields = ("number", "coloured_state", "runs_on", "call_id", "worker", "error", "times")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """Without the columns that can be large."""
        return super().get_queryset(request).defer("payload", "outcome", "result")

    @admin.display(description="state")
    def coloured_state(self, obj: Attempt) -> str:
        """The state in its colour."""
        return _coloured(obj.state, obj.get_state_display())

    @admin.display(description="backend / engine")
    def runs_on(self, obj: Attempt) -> str:
        """Where and how its call runs."""
        return f"{obj.backend} / {obj.engine} ({obj.gpu_class})"

    def error(self, obj: Attempt) -> str:
        """The stored error."""
        return f"{obj.error_code}: {obj.error_message}" if obj.error_code else EMPTY

    @admin.display(description="times (UTC)")
    def times(self, obj: Attempt) -> str:
        """When it passed which point."""
        marks = [(name.replace("_", " "), getattr(obj, f"{name}_at")) for name in TIMES]
        lines = [(name, f"{at:%m-%d %H:%M:%S}") for name, at in marks if at]
        return format_html_join("", '<div style="white-space:nowrap">{} {}</div>', lines)


class EventInline(PartInline):
    """What happened to the job."""

    model = Event
    fk_name = "job"
    ordering = ("id",)
    fields = ("at", "type", "details")
    readonly_fields = fields

    @admin.display(description="at (UTC)")
    def at(self, obj: Event) -> str:
        """When, to the second."""
        return f"{obj.created_at:%Y-%m-%d %H:%M:%S}"

    def details(self, obj: Event) -> str:
        """Who, why, which attempt."""
        return ", ".join(f"{name}: {value}" for name, value in obj.data.items() if value) or EMPTY


class TransactionInline(ReadOnlyInline):
    """What the job cost and what came back; for those who may see the ledger."""

    model = CreditTransaction
    fk_name = "job"
    ordering = ("seq",)
    fields = ("transaction", "type", "amount_moved", "balance_after", "description", "created_at")
    readonly_fields = fields
    verbose_name_plural = "credit transactions"

    def transaction(self, obj: CreditTransaction) -> str:
        """A link to the ledger row."""
        return link("credits.CreditTransaction", obj.pk, f"No. {obj.seq}")

    @admin.display(description="amount")
    def amount_moved(self, obj: CreditTransaction) -> str:
        """What was added or taken."""
        return signed_amount(obj)


@admin.register(Job)
class JobAdmin(ConfirmedActions, ReadOnlyAdmin):
    """A job with all that belongs to it."""

    list_display = (
        "short_id", "type", "status_and_error", "owner", "cost", "attempt_and_progress",
        "age_and_duration",
    )  # fmt: skip
    list_select_related = ("user", "attempt")
    list_filter = (
        "status", FeatureFilter, "error_code", "created_at",
        ("user", SelectedFilter), ("project", SelectedFilter),
    )  # fmt: skip
    search_fields = ("user__email",)
    search_help_text = "Email, or the id of a job, a user or a project"
    id_search_fields: ClassVar = ("pk", "user_id", "project_id")
    ordering = ("-created_at",)
    actions = ("cancel", "requeue", "run_again")
    inlines = (TransactionInline, AttemptInline, EventInline)
    fieldsets = (
        (None, {"fields": (
            "id", "type", "coloured_status", "share_done", "cost", "owner", "project_link",
            "media_links", "retry_link", "further_runs",
        )}),
        ("Error", {"fields": ("error_code", "error_message")}),
        ("Data", {"fields": ("input_json", "output_json")}),
        ("Times and place", {"fields": (
            "created_at", "started_at", "completed_at", "took", "wake_at", "start_deadline_at",
            "deadline_at", "gpu_class", "current_attempt", "modal_task_id",
        )}),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Without the columns that can be large, which a job's own page reads by itself."""
        heavy = ("payload", "outcome", "result")
        return (
            super()
            .get_queryset(request)
            .defer("input_params", "output_data", *(f"attempt__{name}" for name in heavy))
        )

    # Columns

    @admin.display(description="job", ordering="id")
    def short_id(self, obj: Job) -> str:
        """Enough of the id to tell jobs apart on a page."""
        return str(obj.pk)[:8]

    @admin.display(description="status", ordering="status")
    def coloured_status(self, obj: Job) -> str:
        """The status in its colour."""
        return _coloured(obj.status, obj.get_status_display())

    @admin.display(description="status", ordering="status")
    def status_and_error(self, obj: Job) -> str:
        """The status in its colour, with the error's code."""
        return two_lines(self.coloured_status(obj), obj.error_code)

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: Job) -> str:
        """A link to who asked for it."""
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="cost", ordering="credits_cost")
    def cost(self, obj: Job) -> str:
        """The price, and whether it was given back."""
        return two_lines(obj.credits_cost, "refunded" if obj.credits_refunded else None)

    @admin.display(description="progress", ordering="progress")
    def share_done(self, obj: Job) -> str:
        """The progress in percent."""
        return f"{obj.progress:.0%}"

    @admin.display(description="attempt")
    def current_attempt(self, obj: Job) -> str:
        """Number and state of the current attempt."""
        if obj.attempt is None:
            return EMPTY
        return f"{obj.attempt.number}: {obj.attempt.get_state_display().lower()}"

    @admin.display(description="attempt", ordering="progress")
    def attempt_and_progress(self, obj: Job) -> str:
        """Number and state of the current attempt, with the progress."""
        return two_lines(self.current_attempt(obj), self.share_done(obj))

    @admin.display(description="age", ordering="-created_at")
    def age_and_duration(self, obj: Job) -> str:
        """How long ago it was asked for, and how long it took since its first claim."""
        words = "took {}" if obj.completed_at else "{} so far"
        took = words.format(self.took(obj)) if obj.started_at else None
        return two_lines(timesince(obj.created_at, depth=1), took)

    @admin.display(description="took")
    def took(self, obj: Job) -> str:
        """From its first claim to its end, or to now."""
        if obj.started_at is None:
            return EMPTY
        seconds = ((obj.completed_at or timezone.now()) - obj.started_at).total_seconds()
        return f"{seconds:.1f} s" if seconds < 60 else timesince(obj.started_at, obj.completed_at)

    # A job's page

    @admin.display(description="project")
    def project_link(self, obj: Job) -> str:
        """A link to the project that the result belongs to."""
        return link("projects.Project", obj.project_id, obj.project)

    @admin.display(description="media")
    def media_links(self, obj: Job) -> str:
        """Links to the media that it reads, as far as they are still there."""
        names = dict(MediaFile.objects.filter(pk__in=obj.media_ids).values_list("pk", "name"))
        links = [
            (link("media.MediaFile", pk, names[pk]) if pk in names else f"{pk} (deleted)",)
            for pk in obj.media_ids
        ]
        return format_html_join("", "<div>{}</div>", links) or EMPTY

    @admin.display(description="run again from")
    def retry_link(self, obj: Job) -> str:
        """A link to the job that this one repeats."""
        return link("jobs.Job", obj.retry_of_id)

    @admin.display(description="was run again as")
    def further_runs(self, obj: Job) -> str:
        """Links to the jobs that repeat this one."""
        ids = obj.retries.order_by("created_at").values_list("pk", flat=True)
        return (
            format_html_join("", "<div>{}</div>", [(link("jobs.Job", pk),) for pk in ids]) or EMPTY
        )

    @admin.display(description="input")
    def input_json(self, obj: Job) -> str:
        """The parameters."""
        return pretty_json(obj.input_params)

    @admin.display(description="output")
    def output_json(self, obj: Job) -> str:
        """The result."""
        return pretty_json(obj.output_data)

    # Actions

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may act on jobs: nobody edits their columns, so "change" means this."""
        return request.user.has_perm("jobs.change_job")

    def summary(self, obj: Job) -> str:
        """What decides whether to act."""
        return f"{obj.get_status_display()} · {obj.user} · price {obj.credits_cost}"

    def applies(self, action: str, obj: Job) -> bool:
        """Open jobs are cancelled and requeued, ended ones run again."""
        return (action == "run_again") == (obj.status not in OPEN)

    @admin.action(description="Cancel and refund", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """End open jobs, with a refund."""
        return self.confirm(
            request, queryset, action="cancel", form_class=ReasonForm, perform=_cancel
        )

    @admin.action(description="Requeue with a new attempt", permissions=["operate"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Give stuck open jobs a new attempt."""
        return self.confirm(
            request, queryset, action="requeue", form_class=ReasonForm, perform=_requeue
        )

    @admin.action(description="Run again as a new job", permissions=["operate"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Repeat ended jobs as new ones."""
        return self.confirm(
            request,
            queryset,
            action="run_again",
            form_class=RunAgainForm,
            perform=self._run_again,
        )

    def _run_again(self, request: HttpRequest, job: Job, given: Mapping[str, Any]) -> str:
        submitted = submission.resubmit(
            job=job,
            feature=_feature(job),
            plan=job.plan,
            charged=given["price"] == CHARGED,
            by=by_staff(request),
            reason=given["reason"],
        )
        cost = submitted.credits_cost
        price = f"at a price of {cost}" if cost else "on the house"
        again = Job.objects.only("type").get(pk=submitted.job_id)
        self.log_addition(
            request, again, f"Runs job {job.pk} again, {price}. Reason: {given['reason']}"
        )
        return f"Run again as job {submitted.job_id}, {price}."


def _cancel(request: HttpRequest, job: Job, given: Mapping[str, Any]) -> str:
    ended = lifecycle.cancel(job_id=job.pk, by=by_staff(request), reason=given["reason"])
    if ended.credits_refunded:
        return f"Cancelled with a refund of {ended.credits_cost}."
    return "Cancelled."


def _requeue(request: HttpRequest, job: Job, given: Mapping[str, Any]) -> str:
    _feature(job)
    attempt = lifecycle.requeue(job_id=job.pk, by=by_staff(request), reason=given["reason"])
    return f"Requeued with attempt {attempt.number}."


def _feature(job: Job) -> Feature:
    feature = features().get(job.type)
    if feature is None:
        raise submission.FeatureGone
    return feature


def _coloured(value: str, text: str) -> str:
    return badge(text, COLOURS.get(value, BLUE))
