"""Show jobs in the admin: staff edit nothing, and may cancel, requeue and run jobs again."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminRadioSelect
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.timesince import timesince

from auteur.core.admin import (
    EMPTY,
    ConfirmedActions,
    ReadOnlyAdmin,
    ReasonForm,
    RecentFilter,
    SelectedFilter,
    get_actor,
    link,
    pretty_json,
    search_error,
    two_lines,
)
from jobs import lifecycle, submission
from jobs.admin.job_parts import (
    AttemptInline,
    EventInline,
    TransactionInline,
    format_dollars,
    render_coloured,
)
from jobs.cancels import STAFF_ALERT, list_alerted_users
from jobs.estimates.costs import annotate_gpu_cost
from jobs.features.base import Feature
from jobs.features.registry import features
from jobs.models import Job
from jobs.queries import find_jobs
from jobs.states import ENDED, OPEN, JobStatus
from media.models import MediaFile

CHARGED, ON_THE_HOUSE = "charged", "house"


class RunAgainForm(ReasonForm):
    """The form for the reason of a new run, and for who pays."""

    price = forms.ChoiceField(
        choices=[
            (CHARGED, "Charge the user the same price again"),
            (ON_THE_HOUSE, "Charge nothing"),
        ],
        widget=AdminRadioSelect(attrs={"class": "radiolist"}),
    )
    field_order = ("price", "reason")


class FeatureFilter(admin.SimpleListFilter):
    """A filter by type. Its choices come from the registry, because the table is too large."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ").capitalize()) for name in sorted(features())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        if not self.value():
            return queryset
        # Each of the two conditions has its own index.
        return queryset.filter(
            Q(type=self.value(), status__in=ENDED) | Q(type=self.value(), status__in=OPEN)
        )


class StatusFilter(admin.ChoicesFieldListFilter):
    """A filter by status. Jobs in processing are found among those with a ``wake_at``."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        jobs = cast(QuerySet[Job], super().queryset(request, queryset))
        if JobStatus.PROCESSING in str(self.used_parameters.get(self.lookup_kwarg)):
            return jobs.filter(attempt__isnull=False, wake_at__isnull=False)
        return jobs


class AlertFilter(admin.SimpleListFilter):
    """A filter by users about whom staff were alerted (`jobs.cancels`)."""

    title = "begun jobs without a result"
    parameter_name = "alert"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("users", f"Of users with {STAFF_ALERT} in 24 hours")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        if self.value() != "users":
            return queryset
        return queryset.filter(user_id__in=list(list_alerted_users()))


@admin.register(Job)
class JobAdmin(ConfirmedActions, ReadOnlyAdmin):
    """A job with everything that belongs to it."""

    list_display = (
        "short_id",
        "type",
        "status_and_error",
        "owner",
        "cost",
        "attempt_and_progress",
        "age_and_duration",
        "gpu_and_its_cost",
    )
    list_select_related = ("user", "attempt")
    list_filter = (
        ("status", StatusFilter),
        FeatureFilter,
        "error_code",
        AlertFilter,
        ("created_at", RecentFilter),
        ("user", SelectedFilter),
        ("project", SelectedFilter),
    )
    has_time_index = True
    search_fields = ("user__email",)
    search_help_text = (
        "Email, or the id of a job, an attempt, a call, a request, a user or a project"
    )
    id_search_fields: ClassVar = ("pk", "user_id", "project_id")
    content_fields: ClassVar = (
        "project_link",
        "media_links",
        "input_json",
        "derived_json",
        "output_json",
    )
    ordering = ("-created_at",)
    actions = ("cancel", "requeue", "run_again")
    inlines = (TransactionInline, AttemptInline, EventInline)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "id",
                    "type",
                    "coloured_status",
                    "share_done",
                    "cost",
                    "owner",
                    "api_key",
                    "project_link",
                    "media_links",
                    "retry_link",
                    "retry_links",
                )
            },
        ),
        ("Error", {"fields": ("error_code", "error_message")}),
        ("Data", {"fields": ("input_json", "derived_json", "output_json")}),
        (
            "Times and place",
            {
                "fields": (
                    "created_at",
                    "started_at",
                    "completed_at",
                    "took",
                    "wake_at",
                    "start_deadline_at",
                    "deadline_at",
                    "gpu_and_its_cost",
                    "current_attempt",
                    "modal_task_id",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Return the jobs without large columns, which a job's own page loads later."""
        job_columns = ("input_params", "derived_params", "output_data")
        attempt_columns = (f"attempt__{name}" for name in ("payload", "outcome", "result"))
        jobs = super().get_queryset(request).defer(*job_columns, *attempt_columns)
        return annotate_gpu_cost(jobs)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        if not search_error(search_term) and (job_ids := find_jobs(search_term.strip())):
            return queryset.filter(pk__in=job_ids), False
        return super().get_search_results(request, queryset, search_term)

    # Columns

    @admin.display(description="job", ordering="id")
    def short_id(self, obj: Job) -> str:
        return str(obj.pk)[-8:]

    @admin.display(description="status", ordering="status")
    def coloured_status(self, obj: Job) -> str:
        return render_coloured(obj.status, obj.get_status_display())

    @admin.display(description="status", ordering="status")
    def status_and_error(self, obj: Job) -> str:
        return two_lines(self.coloured_status(obj), obj.error_code)

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: Job) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="cost", ordering="credits_cost")
    def cost(self, obj: Job) -> str:
        return two_lines(obj.credits_cost, "refunded" if obj.credits_refunded else None)

    @admin.display(description="progress", ordering="progress")
    def share_done(self, obj: Job) -> str:
        return f"{obj.progress:.0%}"

    @admin.display(description="attempt")
    def current_attempt(self, obj: Job) -> str:
        if obj.attempt is None:
            return EMPTY
        return f"{obj.attempt.number}: {obj.attempt.get_state_display().lower()}"

    @admin.display(description="attempt", ordering="progress")
    def attempt_and_progress(self, obj: Job) -> str:
        return two_lines(self.current_attempt(obj), self.share_done(obj))

    @admin.display(description="age", ordering="-created_at")
    def age_and_duration(self, obj: Job) -> str:
        words = "took {}" if obj.completed_at else "{} so far"
        took = words.format(self.took(obj)) if obj.started_at else None
        return two_lines(timesince(obj.created_at, depth=1), took)

    @admin.display(description="took")
    def took(self, obj: Job) -> str:
        """Return the time from its first claim to its end, or to now."""
        if obj.started_at is None:
            return EMPTY
        seconds = ((obj.completed_at or timezone.now()) - obj.started_at).total_seconds()
        return f"{seconds:.1f} s" if seconds < 60 else timesince(obj.started_at, obj.completed_at)

    @admin.display(description="GPU")
    def gpu_and_its_cost(self, obj: Any) -> str:
        """Return its GPU class, and the cost in US dollars of all attempts together."""
        return two_lines(obj.gpu_class, format_dollars(obj.gpu_cost))

    # A job's page

    @admin.display(description="API key")
    def api_key(self, obj: Job) -> str:
        return link("accounts.ApiKey", obj.api_key_id)

    @admin.display(description="project")
    def project_link(self, obj: Job) -> str:
        return link("projects.Project", obj.project_id, obj.project)

    @admin.display(description="media")
    def media_links(self, obj: Job) -> str:
        """Return links to the media that it reads, unless they are deleted."""
        names = dict(MediaFile.objects.filter(pk__in=obj.media_ids).values_list("pk", "name"))
        links = [
            (link("media.MediaFile", pk, names[pk]) if pk in names else f"{pk} (deleted)",)
            for pk in obj.media_ids
        ]
        return format_html_join("", "<div>{}</div>", links) or EMPTY

    @admin.display(description="run again from")
    def retry_link(self, obj: Job) -> str:
        return link("jobs.Job", obj.retry_of_id)

    @admin.display(description="was run again as")
    def retry_links(self, obj: Job) -> str:
        ids = obj.retries.order_by("created_at").values_list("pk", flat=True)
        return (
            format_html_join("", "<div>{}</div>", [(link("jobs.Job", pk),) for pk in ids]) or EMPTY
        )

    @admin.display(description="input")
    def input_json(self, obj: Job) -> str:
        return pretty_json(obj.input_params)

    @admin.display(description="derived")
    def derived_json(self, obj: Job) -> str:
        return pretty_json(obj.derived_params)

    @admin.display(description="output")
    def output_json(self, obj: Job) -> str:
        return pretty_json(obj.output_data)

    # Actions

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return True for the change permission; no columns of a job are editable."""
        return request.user.has_perm("jobs.change_job")

    def summary(self, obj: Job) -> str:
        return f"{obj.get_status_display()} · price {obj.credits_cost}"

    def is_applicable(self, action: str, obj: Job) -> bool:
        return (action == "run_again") == (obj.status not in OPEN)

    @admin.action(description="Cancel and refund", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        return self.confirm(
            request, queryset, action="cancel", form_class=ReasonForm, perform=_cancel_job
        )

    @admin.action(description="Requeue with a new attempt", permissions=["operate"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        return self.confirm(
            request, queryset, action="requeue", form_class=ReasonForm, perform=_requeue_job
        )

    @admin.action(description="Run again as a new job", permissions=["operate"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        return self.confirm(
            request,
            queryset,
            action="run_again",
            form_class=RunAgainForm,
            perform=self._run_job_again,
            moves_money=True,
        )

    def _run_job_again(self, request: HttpRequest, job: Job, form_data: Mapping[str, Any]) -> str:
        submitted = submission.resubmit(
            job=job,
            feature=_get_feature_of(job),
            plan=job.plan,
            charged=form_data["price"] == CHARGED,
            by=get_actor(request),
            reason=form_data["reason"],
        )
        cost = submitted.credits_cost
        price = f"at a price of {cost}" if cost else "on the house"
        new_job = Job.objects.only("type").get(pk=submitted.job_id)
        self.log_addition(
            request, new_job, f"Runs job {job.pk} again, {price}. Reason: {form_data['reason']}"
        )
        return f"Run again as job {submitted.job_id}, {price}."


def _cancel_job(request: HttpRequest, job: Job, form_data: Mapping[str, Any]) -> str:
    job_after = lifecycle.cancel(job_id=job.pk, by=get_actor(request), reason=form_data["reason"])
    if job_after.credits_refunded:
        return f"Cancelled, {job_after.credits_cost} credits refunded."
    return "Cancelled."


def _requeue_job(request: HttpRequest, job: Job, form_data: Mapping[str, Any]) -> str:
    _get_feature_of(job)
    attempt = lifecycle.requeue_job(
        job_id=job.pk, by=get_actor(request), reason=form_data["reason"]
    )
    return f"Requeued with attempt {attempt.number}."


def _get_feature_of(job: Job) -> Feature:
    feature = features().get(job.type)
    if feature is None:
        raise submission.FeatureGoneProblem
    return feature
