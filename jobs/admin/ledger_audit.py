"""Show the ledger audit in the admin: each rule in green or red, and the findings by account."""

from collections.abc import Iterable
from datetime import timedelta
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from auteur.core.admin import GREEN, RED, badge, link
from credits.models import Credits
from jobs.audit import ledger_audit

PERMISSIONS = ("credits.view_credits", "credits.view_credittransaction")
TIME_LIMIT = timedelta(seconds=20)
"""Time limit of the whole audit, because a browser waits. `ledger_verify` takes longer."""
MAX_LISTED_PER_RULE = 50


@require_safe
def verify(request: HttpRequest) -> HttpResponse:
    """Check the ledger now and show the findings; 503 if that takes too long."""
    if not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
    try:
        report = ledger_audit.verify_ledger(
            limit=MAX_LISTED_PER_RULE, time_limit=TIME_LIMIT, within=TIME_LIMIT
        )
    except (OperationalError, TimeoutError):
        return _render_page(request, HTTPStatus.SERVICE_UNAVAILABLE)
    return _render_page(
        request,
        HTTPStatus.OK,
        report=report,
        verdict=_build_verdict(report.total),
        rules=[
            (rule, meaning, _build_verdict(report.broken[rule]))
            for rule, meaning in ledger_audit.RULES.items()
        ],
        accounts=_group_by_account(report.findings),
        hidden=report.total - len(report.findings),
    )


def _render_page(request: HttpRequest, status: HTTPStatus, **context: Any) -> HttpResponse:
    base_context = admin.site.each_context(request)
    context |= {"title": "Verify the ledger", "opts": Credits._meta}
    return TemplateResponse(
        request, "admin/verify_ledger.html", base_context | context, status=status
    )


def _build_verdict(number: int) -> str:
    return badge(f"{number} off", RED) if number else badge("in order", GREEN)


def _group_by_account(
    findings: Iterable[ledger_audit.Finding],
) -> list[tuple[str, list[tuple[Any, str]]]]:
    """Return each account with findings, and these with links to their jobs."""
    get_user_id = attrgetter("user_id")
    groups = [
        (user_id, list(group))
        for user_id, group in groupby(sorted(findings, key=get_user_id), get_user_id)
    ]
    users = get_user_model().objects.in_bulk([user_id for user_id, _ in groups])
    return [
        (
            link("accounts.User", user_id, users.get(user_id)),
            [(finding, link("jobs.Job", finding.job_id)) for finding in group],
        )
        for user_id, group in groups
    ]
