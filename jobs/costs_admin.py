"""The admin's page of times and costs by feature."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from auteur.admin import EMPTY, list_link
from gpu_tasks.runtime.contract import GpuClass
from jobs import costs
from jobs.costs import Summary
from jobs.models import Job
from jobs.parts_admin import dollars, seconds


@require_safe
def costs_page(request: HttpRequest) -> HttpResponse:
    """What each feature's latest jobs took and cost; 503 where that takes too long."""
    if not request.user.has_perm("jobs.view_job"):
        raise PermissionDenied
    try:
        rows = [_row(summary) for summary in costs.summaries()]
    except OperationalError:
        return _page(request, HTTPStatus.SERVICE_UNAVAILABLE)
    return _page(
        request,
        HTTPStatus.OK,
        rows=rows,
        prices=[(gpu_class, f"${costs.price_of(gpu_class):.6f}") for gpu_class in GpuClass],
        most=costs.JOBS_PER_FEATURE,
    )


def _page(request: HttpRequest, status: HTTPStatus, **context: Any) -> HttpResponse:
    everywhere = admin.site.each_context(request)
    context |= {"title": "Times and costs", "opts": Job._meta}
    return TemplateResponse(request, "admin/job_costs.html", everywhere | context, status=status)


def _row(summary: Summary) -> tuple[str, ...]:
    cold = summary.cold_share
    return (
        list_link("jobs.Job", summary.feature, type=summary.feature),
        summary.gpu_class,
        str(summary.jobs),
        str(summary.attempts),
        seconds(summary.queue_seconds),
        seconds(summary.start_seconds),
        seconds(summary.run_seconds),
        EMPTY if cold is None else f"{cold:.0%}",
        dollars(summary.cost_per_job),
    )
