"""`manage.py deliver_webhooks` as a process: killed, stopped, and beside receivers that hang."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from auteur.core.work import liveness
from auteur.devstack.processes import BASE_DIR
from jobs.events.numbering import number_events
from jobs.integrations.webhooks import claims, deliveries, sender
from jobs.integrations.webhooks.models import WebhookDelivery
from jobs.models import Event, UserEvent
from tests.jobs.integrations.webhooks.receiver import answering, hanging
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a sender on the test's database."""
    address = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    environment = os.environ | {"DATABASE_URL": f"{address}/{connection.settings_dict['NAME']}"}
    started: list[subprocess.Popen[bytes]] = []
    log = tmp_path / "log"

    def start() -> subprocess.Popen[bytes]:
        with log.open("a") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "deliver_webhooks"],
                cwd=BASE_DIR,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(60)
    assert "Traceback" not in log.read_text()


def test_a_kill_loses_nothing_and_an_end_gives_back(
    start, receiver, make_endpoint, make_job, happen
):
    endpoint = make_endpoint()
    receiver.answer = hanging
    happen(make_job(), "started")
    first = start()
    until(lambda: len(receiver.received) == 2, seconds=120)
    first.send_signal(signal.SIGKILL)
    first.wait(60)
    webhook_deliverys = WebhookDelivery.objects.filter(holder__isnull=False)
    assert webhook_deliverys.count() == 2
    receiver.answer = answering(204, b"")
    second = start()
    until(lambda: endpoint.deliveries.filter(state="succeeded").count() == 2, seconds=120)
    ids = [item.headers["webhook-id"] for item in receiver.received]
    assert sorted(ids[:2]) == sorted(ids[2:])

    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        await answering(200)(writer)

    receiver.answer = slowly
    happen(make_job())
    until(lambda: len(receiver.received) == 5, seconds=120)
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    assert endpoint.deliveries.filter(state="succeeded").count() == 3
    assert not webhook_deliverys.exists()


CUT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
    AND pid NOT IN (pg_backend_pid(), %s)
"""


def test_what_was_claimed_when_the_answer_was_lost_is_sent_after_the_outage(
    receiver, make_endpoint, make_job, happen
):
    make_endpoint()
    happen(make_job())
    assert claims.claim(holder=liveness.get_process_name(), limit=10)  # the sender knows of none
    happen(make_job())
    with connection.cursor() as cursor:
        own = cursor.connection.info.backend_pid

    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute(CUT, [own])
        connection.close()

    async def run() -> None:
        stop = asyncio.Event()
        sending = asyncio.create_task(sender.Sender().run(stop))
        while len(receiver.received) < 1:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(cut)
        while len(receiver.received) < 2:
            await asyncio.sleep(0.02)
        stop.set()
        await sending

    asyncio.run(asyncio.wait_for(run(), 20))
    assert not WebhookDelivery.objects.filter(holder__isnull=False).exists()


def test_several_hand_out_each_event_once(make_endpoint, make_job, monkeypatch):
    monkeypatch.setattr(deliveries, "EVENTS_PER_BATCH", 3)
    endpoint, job = make_endpoint(), make_job()
    for _ in range(60):
        Event.objects.create(job=job, user_id=job.user_id, type="started")
    while not number_events():
        pass
    last = UserEvent.objects.count()
    together = threading.Barrier(4)

    def hand_out(_: int) -> int:
        together.wait()
        try:
            return sum(deliveries.fan_out_events() for _ in range(60))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(hand_out, range(4))) == last
    seqs = endpoint.deliveries.order_by("seq").values_list("seq", flat=True)
    assert list(seqs) == list(range(1, last + 1))


def test_who_hangs_delays_nobody_else(
    receiver, make_endpoint, make_user, make_job, happen, monkeypatch
):
    """Receivers that hang take all places there are for the slow; the others go on."""
    hangs = make_user(balance=100)
    make_endpoint(hangs, url=receiver.url("/hangs"))
    make_endpoint()
    receiver.answers["/hangs"] = hanging
    job, other = make_job(), make_job(hangs)
    happen(other, *["started"] * 20)
    happen(job, *["started"] * 9)

    async def run() -> None:
        stop = asyncio.Event()
        sending = asyncio.create_task(sender.Sender().run(stop))

        def answered() -> int:
            return sum(first.path == "/hook" for first in receiver.received)

        while answered() < 10:
            await asyncio.sleep(0.02)
        stop.set()
        await sending

    monkeypatch.setattr(sender, "STOP_SECONDS", 0.1)
    asyncio.run(asyncio.wait_for(run(), 20))
    hung = [first for first in receiver.received if first.path == "/hangs"]
    assert len(hung) == claims.MAX_PER_QUEUE
    states = WebhookDelivery.objects.values_list("state", "holder", "tries")
    assert sorted(states) == [("succeeded", None, 1)] * 10 + [("waiting", None, 0)] * 21
