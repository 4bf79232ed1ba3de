"""Provide `manage.py partners list|check|dead-letters|send-again`: inspect partners."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count, Q, QuerySet

from auteur.core.encryption import UnreadableSecretError
from jobs.integrations.partners.brokers import get_transport
from jobs.integrations.partners.models import DeadLetter, Partner
from jobs.integrations.partners.transports.base import TransportError
from jobs.integrations.partners.transports.connections import ConnectionSettingsError

FAILURES = (TransportError, ConnectionSettingsError, UnreadableSecretError)
MAX_LETTERS = 1000


class Command(BaseCommand):
    help = "Show partners, check their brokers, and list or resend their dead letters."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)

        def action(name: str, help_: str) -> ArgumentParser:
            subparser: ArgumentParser = actions.add_parser(name, help=help_)
            subparser.add_argument("--json", action="store_true", help="for programs")
            subparser.add_argument("--partner", help="the name of the only partner to use")
            return subparser

        action("list", "list partners with the number of their open requests")
        action("check", "check connection, credentials and topics; exits with 1 if a check fails")
        letters = action(
            "dead-letters", "list messages that are not requests, with the reasons, newest first"
        )
        letters.add_argument("--count", type=int, default=20, help="at most (%(default)s)")
        send_again = action(
            "send-again", "send dead letters back to the topics that they came from"
        )
        send_again.add_argument(
            "--count", type=int, default=MAX_LETTERS, help="at most (%(default)s)"
        )

    def handle(self, *args: Any, action: str, partner: str | None, **options: Any) -> None:
        run: Mapping[str, Callable[..., list[dict[str, Any]]]] = {
            "list": _list_partners,
            "check": _check_partners,
            "dead-letters": _list_dead_letters,
            "send-again": _send_letters_again,
        }
        partners = Partner.objects.select_related("user").order_by("name")
        if partner is not None:
            partners = partners.filter(name=partner)
            if not partners:
                raise CommandError(
                    f"There is no partner {partner!r}. `manage.py partners list` shows all."
                )
        rows = run[action](partners, count=options.get("count", 0))
        if options["json"]:
            self.stdout.write(json.dumps(rows, default=str))
        for row in [] if options["json"] else rows:
            self.stdout.write("  ".join(f"{name}: {value}" for name, value in row.items()))
        if any("problem" in row for row in rows):
            sys.exit(1)


def _list_partners(partners: QuerySet[Partner], **options: Any) -> list[dict[str, Any]]:
    is_open, is_failed = Q(requests__due_at__isnull=False), Q(requests__error_code__isnull=False)
    counted_partners = partners.annotate(
        of_all=Count("requests"),
        of_open=Count("requests", filter=is_open),
        of_failed=Count("requests", filter=is_failed),
    )
    return [
        {
            "partner": partner.name,
            "account": partner.user.email,
            "transport": partner.transport,
            "active": partner.is_active,
            "requests": partner.of_all,
            "open": partner.of_open,
            "failed": partner.of_failed,
        }
        for partner in counted_partners
    ]


def _check_partners(partners: QuerySet[Partner], **options: Any) -> list[dict[str, Any]]:
    return [{"partner": partner.name, **_check_partner(partner)} for partner in partners]


def _check_partner(partner: Partner) -> dict[str, Any]:
    try:
        transport = get_transport(partner)
        try:
            transport.check()
        finally:
            transport.close()
    except FAILURES as exc:
        return {"problem": str(exc) or type(exc).__name__}
    return {"ok": True}


def _list_dead_letters(
    partners: QuerySet[Partner], count: int, **options: Any
) -> list[dict[str, Any]]:
    letters = DeadLetter.objects.filter(partner__in=partners).select_related("partner")
    return [
        {
            "partner": letter.partner.name,
            "at": letter.created_at.isoformat(timespec="seconds"),
            "topic": letter.topic,
            "coordinates": letter.coordinates,
            "bytes": letter.size_bytes,
            "reason": letter.reason,
        }
        for letter in letters.order_by("-created_at")[: min(count, MAX_LETTERS)]
    ]


def _send_letters_again(
    partners: QuerySet[Partner], count: int, **options: Any
) -> list[dict[str, Any]]:
    return [
        {"partner": partner.name, **_send_partner_letters_again(partner, count)}
        for partner in partners
    ]


def _send_partner_letters_again(partner: Partner, count: int) -> dict[str, Any]:
    try:
        transport = get_transport(partner)
        try:
            return {"sent": transport.send_again(min(count, MAX_LETTERS))}
        finally:
            transport.close()
    except FAILURES as exc:
        return {"problem": str(exc) or type(exc).__name__}
