"""Show times and costs by feature in the admin."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from auteur.core.admin import EMPTY, list_link
from gpu_tasks.runtime.contract import GpuClass
from jobs.admin.job_parts import format_dollars, format_seconds
from jobs.estimates import costs
from jobs.estimates.costs import Summary
from jobs.models import Job


@require_safe
def costs_page(request: HttpRequest) -> HttpResponse:
    """Show the times and costs of each feature's latest jobs; 503 if that takes too long."""
    if not request.user.has_perm("jobs.view_job"):
        raise PermissionDenied
    try:
        rows = [_build_row(summary) for summary in costs.list_summaries()]
    except OperationalError:
        return _render_page(request, HTTPStatus.SERVICE_UNAVAILABLE)
    return _render_page(
        request,
        HTTPStatus.OK,
        rows=rows,
        prices=[(gpu_class, f"${costs.get_gpu_price(gpu_class):.6f}") for gpu_class in GpuClass],
        most=costs.JOBS_PER_FEATURE,
    )


def _render_page(request: HttpRequest, status: HTTPStatus, **context: Any) -> HttpResponse:
    base_context = admin.site.each_context(request)
    context |= {"title": "Times and costs", "opts": Job._meta}
    return TemplateResponse(request, "admin/job_costs.html", base_context | context, status=status)


def _build_row(summary: Summary) -> tuple[str, ...]:
    cold = summary.cold_share
    return (
        list_link("jobs.Job", summary.feature, type=summary.feature),
        summary.gpu_class,
        str(summary.jobs),
        str(summary.attempts),
        format_seconds(summary.queue_seconds),
        format_seconds(summary.start_seconds),
        format_seconds(summary.run_seconds),
        EMPTY if cold is None else f"{cold:.0%}",
        format_dollars(summary.cost_per_job),
    )
