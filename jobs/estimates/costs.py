"""Compute how long attempts took and what their GPUs cost, from their times and outcomes.

All times are seconds, all costs US dollars. A call that never reported (it was lost, or stopped)
has neither a run time nor a cost here, whatever the owner of its GPU charges for it.
"""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import (
    Aggregate,
    Avg,
    Case,
    Count,
    DateTimeField,
    F,
    FloatField,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce, Greatest

from auteur.core.database.replica import read_from_replica
from gpu_tasks.runtime.contract import GpuClass
from gpu_tasks.runtime.prices import USD_PER_SECOND
from jobs.features.registry import features
from jobs.models import Attempt, Job
from jobs.states import JobStatus

JOBS_PER_FEATURE = 1000
"""The latest completed jobs of a feature, from which its summary is computed."""


class Seconds(Func):
    """The length of an interval in seconds, as an SQL expression."""

    template = "EXTRACT(EPOCH FROM %(expressions)s)::float8"
    output_field = FloatField()


class Median(Aggregate):
    """The median, as an SQL aggregate."""

    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def get_gpu_price(gpu_class: GpuClass) -> float:
    """Return the price of one second of such a GPU."""
    return float(settings.GPU_PRICES.get(gpu_class, USD_PER_SECOND[gpu_class]))


def annotate_costs(attempts: QuerySet[Attempt]) -> QuerySet[Attempt]:
    """Annotate the attempts with their times and cost, if known.

    ``queue_seconds`` from admission until the call was started; ``start_seconds`` until its engine
    was ready, of which ``load_seconds`` for loading it; ``run_seconds``; and ``gpu_cost``.
    """
    price = Case(
        *(When(gpu_class=name, then=Value(get_gpu_price(name))) for name in GpuClass),
        default=Value(0.0),
        output_field=FloatField(),
    )
    # The clock of the function's machine may be behind ours.
    wait = Greatest(Seconds(F("call_started_at") - F("dispatched_at")), Value(0.0))
    return attempts.annotate(
        call_started_at=Cast(KT("outcome__started_at"), DateTimeField()),
        load_seconds=Cast(KT("outcome__load_seconds"), FloatField()),
        run_seconds=Cast(KT("outcome__seconds"), FloatField()),
    ).annotate(
        queue_seconds=Seconds(F("dispatched_at") - F("created_at")),
        start_seconds=Case(
            When(
                call_started_at__isnull=False,
                dispatched_at__isnull=False,
                then=wait + Coalesce("load_seconds", 0.0),
            )
        ),
        gpu_cost=(Coalesce("load_seconds", 0.0) + F("run_seconds")) * price,
    )


def annotate_gpu_cost(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Annotate the jobs with ``gpu_cost``, the cost of all their attempts together."""
    attempts = annotate_costs(Attempt.objects.filter(job=OuterRef("pk"))).order_by()
    total = attempts.values("job").annotate(total=Sum("gpu_cost")).values("total")
    return jobs.annotate(gpu_cost=Subquery(total))


@dataclass(frozen=True)
class Summary:
    """The times and costs of a feature on a GPU class.

    It has medians of the calls, the share of calls that loaded their engine, and the cost of a
    completed job with all its attempts.
    """

    feature: str
    gpu_class: str
    jobs: int
    attempts: int
    queue_seconds: float | None
    start_seconds: float | None
    run_seconds: float | None
    cold_share: float | None
    cost_per_job: float | None


def list_summaries() -> list[Summary]:
    """Return a summary of each feature on each GPU class of its latest jobs; may lag."""
    alias = read_from_replica()
    return [summary for name in sorted(features()) for summary in _summarize_feature(name, alias)]


def _summarize_feature(feature: str, alias: str) -> list[Summary]:
    completed_jobs = Job.objects.using(alias).filter(type=feature, status=JobStatus.COMPLETED)
    latest_ids = completed_jobs.order_by("-created_at")[:JOBS_PER_FEATURE].values("pk")
    is_cold = Case(When(load_seconds__gt=0, then=Value(1.0)), default=Value(0.0))
    rows = (
        annotate_costs(Attempt.objects.using(alias).filter(job__in=latest_ids))
        .values("gpu_class")
        .annotate(
            jobs=Count("job", distinct=True),
            attempts=Count("pk"),
            queue=Median("queue_seconds"),
            start=Median("start_seconds"),
            run=Median("run_seconds"),
            cold=Avg(is_cold, filter=Q(run_seconds__isnull=False)),
            cost=Sum("gpu_cost"),
        )
        .order_by("gpu_class")
    )
    return [
        Summary(
            feature=feature,
            gpu_class=row["gpu_class"],
            jobs=row["jobs"],
            attempts=row["attempts"],
            queue_seconds=row["queue"],
            start_seconds=row["start"],
            run_seconds=row["run"],
            cold_share=row["cold"],
            cost_per_job=None if row["cost"] is None else row["cost"] / row["jobs"],
        )
        for row in rows
    ]
