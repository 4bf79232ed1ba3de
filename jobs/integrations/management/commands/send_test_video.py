"""Provide `manage.py send_test_video`: request a video as a partner would, and await the answer."""

import json
import time
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.integrations.partners.answers import build_answer
from jobs.integrations.partners.brokers import get_transport
from jobs.integrations.partners.models import Kind, Partner, PartnerRequest, State
from jobs.integrations.partners.transports.base import Answer, Transport, TransportError
from jobs.integrations.partners.transports.connections import ConnectionSettingsError

POLL_SECONDS = 0.5


class Command(BaseCommand):
    help = "Send a message on a partner's topic, and wait until its answer is on the broker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--partner", required=True, help="the name of the partner")
        parser.add_argument("--url", required=True, help="the URL of the video")
        parser.add_argument("--kind", choices=Kind.values, default=Kind.TRANSCRIBE.value)
        parser.add_argument("--video-id", help="the id of the video (default: a new one)")
        parser.add_argument("--timeout", type=float, default=300.0, help="seconds (%(default)g)")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        partner = Partner.objects.filter(name=options["partner"]).first()
        if partner is None:
            raise CommandError(f"There is no partner {options['partner']!r}.")
        video_id = options["video_id"] or f"test-{uuid.uuid4().hex[:12]}"
        try:
            transport = get_transport(partner)
            try:
                result = _make_round_trip(transport, partner, video_id, options)
            finally:
                transport.close()
        except (TransportError, ConnectionSettingsError) as exc:
            raise CommandError(str(exc)) from exc
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            self.stdout.write("\n".join(f"{name}: {value}" for name, value in result.items()))


def _make_round_trip(
    transport: Transport, partner: Partner, video_id: str, options: dict[str, Any]
) -> dict[str, Any]:
    kind = Kind(options["kind"])
    topics = {Kind.TRANSCRIBE: partner.transcribe_topic, Kind.COMPRESS: partner.compress_topic}
    started_at = time.monotonic()
    value = json.dumps({"video_id": video_id, "video_url": options["url"]}).encode()
    transport.send(Answer(topics[kind], video_id, value, str(uuid.uuid4())))
    request = _wait_for_answer(partner, kind, video_id, until=started_at + options["timeout"])
    answer = build_answer(request)
    return {
        "video_id": video_id,
        "seconds": round(time.monotonic() - started_at, 1),
        "topic": answer.topic,
        "on_the_broker": transport.was_sent(answer, request.answer_mark),
        "error": request.error_code,
        "answer": answer.value[:1000].decode(errors="replace"),
    }


def _wait_for_answer(
    partner: Partner, kind: Kind, video_id: str, *, until: float
) -> PartnerRequest:
    rows = PartnerRequest.objects.filter(partner=partner, kind=kind, video_id=video_id)
    while time.monotonic() < until:
        request = rows.select_related("partner").order_by("-created_at").first()
        if request is not None and request.state == State.ANSWERED:
            return request
        time.sleep(POLL_SECONDS)
    request = rows.order_by("-created_at").first()
    where = (
        f"it is {request.state}" if request else "no process has read it. Start partner_consumer"
    )
    raise CommandError(f"There is no answer to {video_id}: {where}.")
