"""The admin's page of the ledger audit: each rule in green or red, and what is off, by account."""

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

from auteur.admin import GREEN, RED, badge, link
from credits.models import Credits
from jobs import ledger_audit

PERMISSIONS = ("credits.view_credits", "credits.view_credittransaction")
TIME_LIMIT = timedelta(seconds=20)
"""In all, since a browser waits; the command `ledger_verify` takes its time."""
SHOWN_PER_RULE = 50


@require_safe
def verify(request: HttpRequest) -> HttpResponse:
    """Check the ledger now and show what was found; 503 where that takes too long."""
    if not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
    try:
        report = ledger_audit.verify_ledger(
            limit=SHOWN_PER_RULE, time_limit=TIME_LIMIT, within=TIME_LIMIT
        )
    except (OperationalError, TimeoutError):
        return _page(request, HTTPStatus.SERVICE_UNAVAILABLE)
    return _page(
        request,
        HTTPStatus.OK,
        report=report,
        verdict=_verdict(report.total),
        rules=[
            (rule, meaning, _verdict(report.broken[rule]))
            for rule, meaning in ledger_audit.RULES.items()
        ],
        accounts=_by_account(report.findings),
        hidden=report.total - len(report.findings),
    )


def _page(request: HttpRequest, status: HTTPStatus, **context: Any) -> HttpResponse:
    everywhere = admin.site.each_context(request)
    context |= {"title": "Verify the ledger", "opts": Credits._meta}
    return TemplateResponse(
        request, "admin/verify_ledger.html", everywhere | context, status=status
    )


def _verdict(number: int) -> str:
    return badge(f"{number} off", RED) if number else badge("in order", GREEN)


def _by_account(
    findings: Iterable[ledger_audit.Finding],
) -> list[tuple[str, list[tuple[Any, str]]]]:
    """Each account that has findings, and those with links to their jobs."""
    whose = attrgetter("user_id")
    groups = [
        (user_id, list(group)) for user_id, group in groupby(sorted(findings, key=whose), whose)
    ]
    users = get_user_model().objects.in_bulk([user_id for user_id, _ in groups])
    return [
        (
            link("accounts.User", user_id, users.get(user_id)),
            [(finding, link("jobs.Job", finding.job_id)) for finding in group],
        )
        for user_id, group in groups
    ]
