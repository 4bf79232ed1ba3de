"""`/metrics`: figures that are the database's, and those that one process keeps for all."""

import re
import socket
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from auteur import dead_letters, metrics
from auteur.dead_letters import Defect
from credits.models import Credits
from jobs import cached_figures, lifecycle
from jobs.audit import ledger_audit, running_audit
from jobs.events import log
from jobs.events.numbering import number_events
from jobs.heartbeat import LOST_AFTER
from jobs.integrations.streams import cursor
from jobs.integrations.streams import figures as streams
from jobs.integrations.streams.sinks.base import GroupLag, StreamLength, StreamStandings
from jobs.models import Job, KeptFigures, WorkerHeartbeat
from jobs.orchestrator import clock_skew
from jobs.states import AttemptState
from tests.auteur.live.running import make_job as make_live_job
from tests.auteur.live.running import say
from tests.credits.books import stop_comparing_books
from tests.jobs.walk import bring_to

pytestmark = pytest.mark.django_db(transaction=True)


def asked(path: str = "/metrics", method: str = "GET") -> tuple[int, dict[str, str], str]:
    """Status, headers and body at the port of the figures."""
    output: list[Any] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path}
    body = b"".join(metrics.application(environ, lambda *result: output.extend(result)))
    status, headers = output
    return int(status.split()[0]), dict(headers), body.decode()


def scrape() -> dict[str, float]:
    """Every sample by name and labels."""
    status, headers, body = asked()
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    lines = body.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def renewed() -> dict[str, float]:
    """A scrape after an orchestrator has counted and audited, whether or not it is time."""
    KeptFigures.objects.update(next_at=Now())
    assert (cached_figures.count_jobs_by_status(), running_audit.audit_books()) == (1, 1)
    return scrape()


def test_an_idle_house(db):
    samples = scrape()
    assert samples["auteur_due_jobs"] == 0
    assert samples["auteur_due_lag_seconds"] == 0
    assert samples["auteur_workers_alive"] == 0
    assert not any(name.startswith("auteur_jobs{") for name in samples)


def test_open_jobs_and_their_attempts(make_job):
    for state in (AttemptState.QUEUED, AttemptState.RUNNING, AttemptState.RUNNING):
        bring_to(make_job(), state)
    samples = renewed()
    assert samples['auteur_jobs{status="pending",type="transcription"}'] == 1
    assert samples['auteur_jobs{status="processing",type="transcription"}'] == 2
    assert samples['auteur_attempts{gpu_class="CPU",state="queued"}'] == 1
    assert samples['auteur_attempts{gpu_class="CPU",state="running"}'] == 2


def test_the_age_of_the_oldest_pending_job(make_job):
    job, _ = make_job(), make_job()
    Job.objects.filter(pk=job.pk).update(created_at=Now() - timedelta(minutes=5))
    age = renewed()['auteur_oldest_pending_seconds{type="transcription"}']
    assert age == pytest.approx(300, abs=10)


def test_due_jobs_and_how_long_they_have_waited(make_job):
    waiting_for_a_place = make_job()
    late, early = make_job(), make_job()
    bring_to(late, AttemptState.RUNNING)
    bring_to(early, AttemptState.RUNNING)
    Job.objects.update(wake_at=Now() + timedelta(minutes=1))
    Job.objects.filter(pk=late.pk).update(wake_at=Now() - timedelta(minutes=1))
    Job.objects.filter(pk=waiting_for_a_place.pk).update(
        wake_at=Now() - timedelta(hours=1), attempt=None
    )
    samples = scrape()
    assert samples["auteur_due_jobs"] == 1
    assert samples["auteur_due_lag_seconds"] == pytest.approx(60, abs=10)


def test_workers_alive(db):
    WorkerHeartbeat.objects.create(name="alive")
    WorkerHeartbeat.objects.create(name="gone", beat_at=Now() - LOST_AFTER)
    assert scrape()["auteur_workers_alive"] == 1


def test_clocks_of_orchestrators_and_messages_that_nobody_can_read(db):
    dead_letters.delete_dead_letters()
    clock_skew.store(-0.25)
    dead_letters.store_dead_letter(queue="steps", defect=Defect.BAD_BODY, content=b"x")
    samples = scrape()
    assert samples[f'auteur_clock_skew_seconds{{host="{socket.gethostname()}"}}'] == -0.25
    assert samples["auteur_dead_letters"] == 1
    dead_letters.delete_dead_letters()


def test_figures_are_kept_for_all(make_job):
    make_job()
    samples = renewed()
    counted = samples["auteur_jobs_counted_timestamp_seconds"]
    make_job()
    assert cached_figures.count_jobs_by_status() == 0  # it is not time
    samples = scrape()
    assert samples['auteur_jobs{status="pending",type="transcription"}'] == 1
    assert samples["auteur_jobs_counted_timestamp_seconds"] == counted
    assert renewed()['auteur_jobs{status="pending",type="transcription"}'] == 2


def test_what_the_audit_has_seen(make_job):
    job = make_job(minutes=10)
    lifecycle.cancel(job_id=job.pk, by="user")
    number_events()
    assert "auteur_credits_balance" not in scrape()
    samples = renewed()
    assert samples["auteur_credits_balance"] == 100
    assert samples['auteur_jobs{status="cancelled",type="transcription"}'] == 1
    for rule in ledger_audit.RULES:
        assert samples[f'auteur_ledger_discrepancies{{rule="{rule}"}}'] == 0
    kept = cached_figures.read_figures(running_audit.NAME)
    age = kept.found_at.timestamp()
    assert samples["auteur_books_checked_timestamp_seconds"] == pytest.approx(age)


def test_discrepancies_are_counted_by_rule(make_user, caplog):
    stop_comparing_books()
    for _ in range(2):
        Credits.objects.filter(user=make_user(balance=5)).update(seq=6)
    samples = renewed()
    assert samples['auteur_ledger_discrepancies{rule="seq_is_the_last"}'] == 2
    assert samples['auteur_ledger_discrepancies{rule="charged_once"}'] == 0
    assert "off in 2 places" in caplog.text


def test_an_audit_that_takes_too_long_leaves_the_last_figures(user, monkeypatch):
    before = renewed()
    monkeypatch.setattr(running_audit, "TIME_LIMIT", timedelta(milliseconds=100))
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE credits")
        KeptFigures.objects.update(next_at=Now())
        with pytest.raises(OperationalError):
            running_audit.audit_books()
    finally:
        other.rollback()
        other.close()
    stamp = "auteur_books_checked_timestamp_seconds"
    assert scrape()[stamp] == before[stamp]
    assert running_audit.audit_books() == 0  # tried again when it is time
    assert renewed()[stamp] > before[stamp]


def test_a_scrape_reads_no_more_the_more_jobs_there_are(make_job):
    """No statement of it walks through jobs but by the index of what is due."""
    make_job()
    renewed()
    with CaptureQueriesContext(connection) as captured:
        scrape()
    read = [
        query["sql"] for query in captured if '"jobs"' in query["sql"] or " jobs " in query["sql"]
    ]
    assert len(read) == 1
    assert "wake_at" in read[0]


def test_postgres_away(monkeypatch):
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    assert asked()[0] == 503
    connection.close()


def test_no_label_names_a_person(make_job, user):
    make_job()
    for name in renewed():
        assert str(user.pk) not in name
        assert re.fullmatch(r"auteur_\w+(\{(\w+=\"[\w.+-]+\",?)+\})?", name)


def test_only_to_be_read(db):
    assert asked(method="POST")[0] == 405
    assert asked("/users/me")[0] == 404


def test_they_are_not_at_the_port_of_the_api(db):
    assert Client().get("/metrics").status_code == 404


def test_how_publishing_stands(make_user):
    job = make_live_job(make_user())
    say(job, "requested", "started")
    samples = scrape()
    assert samples["auteur_streams_lag_events"] == 2
    assert samples["auteur_streams_publishers"] == 0
    assert cursor.acquire("a publisher") == 0
    cursor.move("a publisher", 0, log.get_last_position())
    lag = GroupLag("jobs.completed", "readers", lag=3, pending=1)
    streams.store_standing(
        StreamStandings((StreamLength("jobs.completed", 5),), (lag,)), "a publisher"
    )
    Job.objects.update(created_at=Now() - timedelta(seconds=7))
    say(job, "completed")
    samples = renewed()
    assert samples["auteur_streams_lag_events"] == 1
    assert samples["auteur_log_position"] == samples["auteur_streams_position"] + 1
    assert samples["auteur_streams_publishers"] == 1
    assert samples['auteur_stream_records{stream="jobs.completed"}'] == 5
    group = '{group="readers",stream="jobs.completed"}'
    assert samples[f"auteur_stream_group_lag{group}"] == 3
    assert samples[f"auteur_stream_group_pending{group}"] == 1
    assert samples['auteur_recent_ends{status="completed"}'] == 1
    latency = "auteur_recent_latency_seconds_bucket"
    assert samples[f'{latency}{{le="5"}}'] == 0
    assert samples[f'{latency}{{le="10"}}'] == samples[f'{latency}{{le="+Inf"}}'] == 1


def test_nothing_of_streams_where_they_are_off(settings, db):
    settings.STREAMS_SINK = "none"
    assert not [name for name in scrape() if name.startswith("auteur_stream")]
