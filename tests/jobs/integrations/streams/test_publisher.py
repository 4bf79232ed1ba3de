"""The publisher, on the test's own connection, to a real Redis."""

import json
import logging
import re
import subprocess
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.http import HttpResponse

from auteur.core.work import liveness
from auteur.devstack import ports
from jobs.events import epochs, log
from jobs.integrations.streams import batches, cursor, inbox
from jobs.integrations.streams import publisher as publishing
from jobs.integrations.streams.models import ApiUsage
from jobs.integrations.streams.sinks.redis import POSITION, RedisSink, get_key
from jobs.integrations.streams.usage import CountUsage
from jobs.models import EventCursor, Job, UserEvent
from jobs.progress import PROGRESS_CHANNEL
from tests.auteur.live.running import make_job, make_user, progress, say
from tests.chaos.proxy import Mode, Proxy
from tests.jobs.events.setting_back import set_back
from tests.jobs.integrations.streams.conftest import rounds
from tests.waiting import until

pytestmark = pytest.mark.django_db

ALL = ("jobs.requested", "jobs.transcription", "analytics.events")


@pytest.fixture
def job() -> Job:
    return make_job(make_user())


def position() -> int:
    return EventCursor.objects.get(name=cursor.NAME).position


def seqs(read, stream: str = "analytics.events") -> list[int]:
    return [json_seq(value) for value in read(stream)]


def json_seq(value) -> int:
    return value["seq"]


def test_events_become_records_in_order_and_the_cursor_follows(publisher, store, read, job):
    say(job, "requested", "started")
    rounds(publisher)
    assert [len(read(stream)) for stream in ALL] == [1, 1, 2]
    assert seqs(read) == [1, 2]
    assert read("jobs.requested")[0]["job_id"] == str(job.pk)
    ((_, entry),) = store.xrange(get_key("jobs.requested"))
    assert entry[b"key"] == str(job.user_id).encode()
    assert position() == log.get_last_position() == int(store.get(POSITION))
    rounds(publisher)
    assert seqs(read) == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_a_backlog_of_many_batches_keeps_its_order(publisher, read, job, monkeypatch):
    monkeypatch.setattr(batches, "FIRST_EVENTS", 2)
    monkeypatch.setattr(batches, "MAX_EVENTS", 4)
    say(job, *["requeued"] * 23)
    rounds(publisher, 8)
    assert seqs(read) == [*range(1, 24)]


@pytest.mark.django_db(transaction=True)
def test_large_batches_become_smaller(make_publisher, read, job, monkeypatch):
    monkeypatch.setattr(batches, "MAX_BYTES", 10)
    monkeypatch.setattr(batches, "FIRST_EVENTS", 8)
    say(job, *["requeued"] * 15)
    slow = make_publisher()
    slow.publish()
    assert len(seqs(read)) == 8
    rounds(slow, 3)
    assert len(seqs(read)) == 8 + 4 + 2 + 1


def test_what_is_written_and_not_noted_comes_again(publisher, make_publisher, read, job):
    say(job, "requested", "started")
    rounds(publisher)
    cursor.release("the test")
    EventCursor.objects.filter(name=cursor.NAME).update(position=log.get_last_position() - 1)
    rounds(make_publisher(holder="its successor"))
    assert seqs(read) == [1, 2, 2]


def test_redis_emptied_is_filled_again_from_the_log(publisher, store, read, job, caplog):
    say(job, "requested", "started")
    rounds(publisher)
    for key in (POSITION, *map(get_key, ALL)):
        store.delete(key)
    rounds(publisher)
    assert seqs(read) == []  # nothing new happened, so nobody has looked
    say(job, "completed")
    rounds(publisher, 4)
    assert seqs(read) == [1, 2, 3]
    assert position() == int(store.get(POSITION)) == log.get_last_position()
    assert "Redis does not have the position" in caplog.text
    assert f"the sink has 0 of {log.get_last_position() - 1}, going back" in caplog.text


def test_redis_restored_to_an_earlier_time_gets_what_it_lacks(publisher, store, read, job):
    say(job, "requested")
    rounds(publisher)
    before = store.get(POSITION)
    say(job, "started")
    rounds(publisher)
    store.set(POSITION, before)
    (last, *_) = store.xrevrange(get_key("analytics.events"), count=1)
    store.xdel(get_key("analytics.events"), last[0])
    say(job, "completed")
    rounds(publisher, 4)
    assert seqs(read) == [1, 2, 3]


def test_events_that_were_removed_before_are_told_and_passed(publisher, read, job, caplog):
    say(job, "requested", "started", "completed")
    oldest = log.get_first_position()
    UserEvent.objects.filter(position__lte=oldest + 1).delete()
    rounds(publisher)
    assert seqs(read) == [3]
    assert f"the log begins at {oldest + 2}, for older events were removed" in caplog.text


def test_what_cannot_be_written_holds_back_nobody(publisher, read, job, caplog, monkeypatch):
    say(job, "requested")
    monkeypatch.setattr(batches, "MAX_RECORD_BYTES", 10)
    rounds(publisher)
    monkeypatch.undo()
    say(job, "started")
    rounds(publisher)
    assert seqs(read) == [2]
    user_id = str(job.user_id)
    assert f"a record of jobs.requested, user {user_id}, event 1 is left out" in caplog.text


class TestOneOfSeveral:
    """Who publishes holds a lease; the others wait."""

    def test_a_second_waits_until_the_first_gives_way(self, publisher, make_publisher, job, read):
        second = make_publisher(holder="the second")
        say(job, "requested")
        rounds(publisher)
        say(job, "started")
        rounds(second)
        assert seqs(read) == [1]
        cursor.release("the test")
        rounds(second)
        assert seqs(read) == [1, 2]

    def test_a_silent_ones_lease_ends(self, publisher, make_publisher, job, read):
        rounds(publisher)
        cursor.select_row().update(held_until=Now() - timedelta(seconds=1))
        say(job, "requested")
        rounds(make_publisher(holder="the second"))
        assert seqs(read) == [1]

    def test_a_dead_ones_ends_at_once(self, make_publisher, job, read):
        ended = subprocess.Popen(["true"])
        ended.wait()
        rounds(make_publisher(holder=liveness.build_process_name("streams", ended.pid)))
        say(job, "requested")
        rounds(make_publisher(holder="the second"))
        assert seqs(read) == [1]

    def test_who_was_thought_dead_may_repeat_and_passes_nothing(
        self, publisher, make_publisher, job, read, caplog
    ):
        rounds(publisher)
        cursor.release("the test")
        second = make_publisher(holder="the second")
        say(job, "requested", "started")
        rounds(second)
        rounds(publisher)  # it learns that the cursor is not its own any more
        assert "another process publishes now" in caplog.text
        say(job, "completed")
        rounds(second, 4)
        assert list(dict.fromkeys(seqs(read))) == [1, 2, 3]
        assert cursor.select_row().get().holder == "the second"


class TestOutages:
    """A sink that is away costs lag alone."""

    @pytest.fixture
    def proxy(self, settings):
        port = int(re.search(r":(\d+)/", settings.STREAMS_REDIS_URL)[1])
        (own,) = ports.find_free_ports(1)
        with Proxy(own, port) as proxy:
            settings.STREAMS_REDIS_URL = settings.STREAMS_REDIS_URL.replace(f":{port}/", f":{own}/")
            yield proxy
            proxy.cut()

    def test_a_sink_away_and_back(self, proxy, make_publisher, job, read, caplog):
        caplog.set_level(logging.INFO)
        publisher = make_publisher()
        say(job, "requested")
        rounds(publisher)
        proxy.mode = Mode.REFUSE
        proxy.cut()
        say(job, "started")
        rests = [publisher.attempt(publisher.publish) for _ in range(9)]
        assert 0 < rests[0] <= publishing.FIRST_BACKOFF_SECONDS
        assert publishing.LAST_BACKOFF_SECONDS / 2 <= rests[-1] <= publishing.LAST_BACKOFF_SECONDS
        assert seqs(read) == [1]
        proxy.mode = Mode.PASS
        rounds(publisher)
        assert seqs(read) == [1, 2]
        texts = [record.message for record in caplog.records if "wait:" in record.message]
        assert len(texts) == 1
        assert texts[0].startswith("streams wait: Redis is away:")
        assert sum("streams go on after" in record.message for record in caplog.records) == 1

    @pytest.mark.django_db(transaction=True)
    def test_a_backlog_waits_in_the_log_and_is_made_up_for(
        self, proxy, make_publisher, job, read, monkeypatch
    ):
        monkeypatch.setattr(batches, "FIRST_EVENTS", 40)
        monkeypatch.setattr(batches, "MAX_EVENTS", 40)
        publisher = make_publisher()
        say(job, "requested")
        rounds(publisher)
        before = position()
        proxy.mode = Mode.REFUSE
        proxy.cut()
        for behind in (100, 200):
            say(job, *["requeued"] * 100)
            rounds(publisher)
            assert (position(), log.get_last_position()) == (before, before + behind)
        assert seqs(read) == [1]
        proxy.mode = Mode.PASS
        rounds(publisher, 8)
        assert position() == before + 200
        assert seqs(read) == [*range(1, 202)]

    def test_a_refusal_says_what_to_change(self, publisher, store, job, read, caplog):
        store.lpush(get_key("analytics.events"), "a list")
        say(job, "requested")
        rounds(publisher)
        wrong = get_key("analytics.events")
        assert f"streams wait: Not streams, but other values: {wrong}." in caplog.text
        assert (position(), read("jobs.requested")) == (0, [])
        store.delete(get_key("analytics.events"))
        rounds(publisher)
        assert seqs(read) == [1]

    def test_a_wrong_password(self, make_publisher, job, settings, caplog):
        settings.STREAMS_REDIS_URL = re.sub("//.*@", "//:wrong@", settings.STREAMS_REDIS_URL)
        rounds(make_publisher(), 2)
        assert "Redis refuses the user or password of STREAMS_REDIS_URL" in caplog.text
        assert "wrong" not in caplog.text.replace("WRONGPASS", "")


def test_usage_of_the_api_is_published_once_and_forgotten(publisher, read, job):
    used = {"user_id": job.user_id, "route": "/jobs/{job_id}", "method": "GET", "requests": 7}
    ApiUsage.objects.create(status_class="2xx", **used)
    rounds(publisher)
    publisher.attempt(publisher.publish)
    (output,) = read("analytics.events")
    assert (output["event"], output["route"], output["requests"]) == (
        "api.usage",
        "/jobs/{job_id}",
        7,
    )
    assert not ApiUsage.objects.exists()


def test_where_streams_are_off_nobody_counts_what_nobody_would_take(settings):
    settings.STREAMS_SINK = "none"
    with pytest.raises(MiddlewareNotUsed):
        CountUsage(lambda request: HttpResponse())


class AttentiveSink(RedisSink):
    """Notes whether a transaction is open while it writes."""

    def __init__(self) -> None:
        super().__init__()
        self.in_transaction: list[bool] = []

    def write(self, records, position):
        self.in_transaction.append(connection.in_atomic_block)
        super().write(records, position)


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_sink_answers(make_publisher, job, read):
    sink = AttentiveSink()
    say(job, "requested")
    rounds(make_publisher(sink))
    assert seqs(read) == [1]
    assert sink.in_transaction == [False]


def test_progress_is_published_as_it_comes_the_newest_of_each_job(publisher, job, read):
    publisher.inbox.start()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        output = json.dumps(progress(job, 10) | {"eta_at": "2026-11-23T10:00:00.000+00:00"})
        until(lambda: client.publish(PROGRESS_CHANNEL, output))
        client.publish(PROGRESS_CHANNEL, b"nonsense")
        client.publish(PROGRESS_CHANNEL, output.replace('"progress": 10', '"progress": 60'))
        until(lambda: _publish_and_read(publisher, read))
    assert read("jobs.progress")[-1]["progress"] == 60
    assert read("jobs.progress")[-1]["job_id"] == str(job.pk)


def test_progress_of_more_jobs_than_fit_is_dropped(monkeypatch):
    monkeypatch.setattr(inbox, "MAX_JOBS", 2)
    mine = inbox.Inbox()
    for job_id, percent in (("a", 1), ("b", 1), ("c", 1), ("a", 2)):
        mine.keep(json.dumps({"job_id": job_id, "progress": percent}).encode())
    accepted = [json.loads(message) for message in mine.take_progress()]
    assert [(first["job_id"], first["progress"]) for first in accepted] == [("a", 2), ("b", 1)]
    assert mine.take_progress() == []


def _publish_and_read(publisher, read):
    publisher.publish()
    return [value for value in read("jobs.progress") if value["progress"] == 60]


def test_streams_keep_as_many_records_as_they_may_and_none_that_is_too_old(
    publisher, store, job, settings
):
    for number in range(300):
        store.xadd(
            get_key("jobs.progress"), {"key": "old", "value": "x" * 100}, id=f"{number + 1}-0"
        )
    settings.STREAMS_REDIS_LENGTH = 100
    say(job, *["requeued"] * 400)
    rounds(publisher, 8)
    assert store.xlen(get_key("jobs.progress")) < 100  # whole nodes go, of up to 100 records
    assert 100 <= store.xlen(get_key("analytics.events")) < 200


class TestALogThatWasSetBack:
    """The sink has more than the log: what has the same numbers again, readers would drop."""

    @pytest.fixture
    def ahead(self, publisher, read, job):
        """A log that ends before what was published, and went on from there."""
        say(job, "requested", "started", "requeued")
        rounds(publisher)
        assert seqs(read) == [1, 2, 3]
        set_back(1)
        rounds(publisher)  # it notices that its cursor has moved
        say(job, "requeued")
        return job

    def test_nothing_is_published_until_the_epoch_begins(self, ahead, publisher, read, caplog):
        rounds(publisher)
        assert seqs(read) == [1, 2, 3]
        assert epochs.list_readers_ahead()["streams"] == {"seen": 3, "end": 1}
        assert "run `manage.py events_new_epoch`" in caplog.text

        call_command("events_new_epoch")
        say(ahead, "started")
        rounds(publisher)

        assert seqs(read) == [1, 2, 3, 2, log.get_last_position()]
        assert epochs.list_readers_ahead() == {}

    def test_a_cursor_beyond_the_log_goes_back_to_its_end(self, publisher, read, job):
        say(job, "requested")
        EventCursor.objects.create(name=cursor.NAME, position=9)
        rounds(publisher)
        assert position() == 1
        assert epochs.list_readers_ahead() == {"streams": {"seen": 9, "end": 1}}
        say(job, "started")
        rounds(publisher)
        assert seqs(read) == [1, 2]

    def test_the_epoch_begins_beyond_what_the_sink_has(self, publisher, store, job):
        say(job, "requested")
        seen = 7 * epochs.start_epoch().first_position
        store.set(POSITION, seen)

        call_command("events_new_epoch")

        say(job, "started")
        assert log.get_last_position() > seen
        rounds(publisher)
        assert position() == log.get_last_position()
