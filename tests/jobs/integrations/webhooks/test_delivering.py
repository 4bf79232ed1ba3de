"""Events reach their endpoints: once each, signed, and whatever the receiver answers."""

import json
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from auteur.core import encryption
from auteur.core.work import liveness
from jobs import sql
from jobs.events import epochs, log
from jobs.integrations.webhooks import claims, deliveries, endpoints, retrying, secrets, sending
from jobs.integrations.webhooks.models import (
    DeliveryState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookQueue,
)
from jobs.models import EventCursor
from tests.jobs.events.setting_back import set_back
from tests.jobs.integrations.webhooks.conftest import HOLDER, deliver, hand_out_all
from tests.jobs.integrations.webhooks.receiver import (
    Receiver,
    answering,
    continuing,
    dripping,
    endless,
    hanging,
    saying,
    self_signed,
    sent,
)

DAY = timedelta(days=1)


def only() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def due_now() -> None:
    WebhookDelivery.objects.filter(state="waiting").update(due_at=Now())


class TestEvents:
    def test_each_event_comes_signed_and_as_the_log_has_it(
        self, endpoint, receiver, make_job, happen, user
    ):
        happen(make_job(), "started")
        assert deliver() == 2
        sent = sorted((one.event for one in receiver.received), key=lambda event: event["seq"])
        assert sent == log.list_events(user_id=user.pk, after=0)
        for one in receiver.received:
            Webhook(secrets.shown(endpoint.secret)).verify(one.body, one.headers)
            assert one.headers["content-type"] == "application/json"
        assert {one.headers["webhook-id"] for one in receiver.received} == {
            str(pk) for pk in WebhookDelivery.objects.values_list("pk", flat=True)
        }
        assert {one.state for one in WebhookDelivery.objects.all()} == {"succeeded"}
        assert deliver() == 0

    def test_only_the_types_that_the_endpoint_wants(
        self, make_endpoint, receiver, make_job, happen
    ):
        make_endpoint(events=["job.started"])
        happen(make_job(), "started")
        deliver()
        assert [one.event["type"] for one in receiver.received] == ["job.started"]

    def test_nothing_of_others_and_nothing_where_it_is_disabled(
        self, make_endpoint, make_user, make_job, happen
    ):
        make_endpoint(make_user())
        make_endpoint(enabled=False)
        happen(make_job())
        assert not WebhookDelivery.objects.exists()

    def test_an_event_that_is_handed_out_again_is_delivered_once(
        self, endpoint, receiver, make_job, happen
    ):
        happen(make_job())
        deliver()
        EventCursor.objects.filter(name=deliveries.CURSOR).update(position=0)
        hand_out_all()
        assert deliver() == 0
        assert len(receiver.received) == 1

    def test_after_a_restore_no_id_names_another_event(self, endpoint, receiver, make_job, happen):
        job = make_job()
        happen(job, "started")
        deliver()
        before = {one.headers["webhook-id"]: one.event["seq"] for one in receiver.received}
        assert sorted(before.values()) == [1, 2]
        set_back(1)
        epoch = epochs.start_epoch()
        receiver.received.clear()

        happen(job, "requeued")
        deliver()

        (again,) = receiver.received
        assert again.event["seq"] == epoch.first_position
        assert again.headers["webhook-id"] not in before

    def test_a_log_behind_its_deliveries_is_reported_and_followed(
        self, endpoint, receiver, make_job, happen
    ):
        happen(make_job())
        EventCursor.objects.filter(name=deliveries.CURSOR).update(position=9)
        hand_out_all()
        assert epochs.list_readers_ahead() == {"webhooks": {"seen": 9, "end": 1}}
        happen(make_job())
        assert deliver() == 2

    def test_events_are_handed_out_in_batches_to_the_last(
        self, endpoint, make_job, happen, monkeypatch
    ):
        monkeypatch.setattr(deliveries, "EVENTS_AT_ONCE", 2)
        happen(make_job(), *["started"] * 4)
        handed_out = WebhookDelivery.objects.order_by("seq").values_list("seq", flat=True)
        assert list(handed_out) == [1, 2, 3, 4, 5]

    def test_what_the_receiver_said_is_kept_and_no_signature(
        self, endpoint, receiver, make_job, happen
    ):
        receiver.answer = answering(200, b"thanks \x00 \xff")
        happen(make_job())
        deliver()
        delivery = only()
        assert (delivery.status, delivery.error_code) == (200, None)
        assert delivery.answer == "thanks \ufffd \ufffd"
        assert delivery.duration_ms is not None
        assert "webhook-id" in delivery.request_headers
        assert "webhook-signature" not in delivery.request_headers


class TestAnswers:
    @pytest.mark.parametrize(
        ("answer", "status", "error"),
        [
            (answering(500, b"no"), 500, "status"),
            (answering(404), 404, "status"),
            (answering(302, headers="Location: /elsewhere\r\n"), 302, "redirected"),
            (saying(b"SSH-2.0-OpenSSH_9.7\r\n"), None, "invalid_answer"),
            (saying(b""), None, "invalid_answer"),
            (answering(200, b"half", length=100), 200, "invalid_answer"),
            (saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), None, "invalid_answer"),
            (
                saying(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1000 + b"\r\n"),
                None,
                "invalid_answer",
            ),
        ],
    )
    def test_what_is_no_success_is_tried_again(
        self, endpoint, receiver, make_job, happen, answer, status, error
    ):
        receiver.answer = answer
        happen(make_job())
        deliver()
        delivery = only()
        assert (delivery.status, delivery.error_code) == (status, error)
        assert (delivery.state, delivery.tries, delivery.holder) == ("waiting", 1, None)
        assert len(receiver.received) == 1
        assert deliver() == 0
        receiver.answer = answering(204, b"")
        due_now()
        deliver()
        assert only().state == "succeeded"
        first, second = receiver.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body

    @pytest.mark.parametrize("answer", [hanging, dripping])
    def test_who_takes_too_long_is_left(
        self, endpoint, receiver, make_job, happen, monkeypatch, answer
    ):
        monkeypatch.setattr(sending, "TIME_LIMIT_SECONDS", 0.3)
        receiver.answer = answer
        happen(make_job())
        deliver()
        assert only().error_code == "timeout"
        assert 300 <= only().duration_ms < 3000

    def test_of_ten_gigabytes_the_beginning_is_read(self, endpoint, receiver, make_job, happen):
        receiver.answer = endless
        happen(make_job())
        deliver()
        delivery = only()
        assert delivery.state == "succeeded"
        assert delivery.answer == "x" * sending.KEPT_ANSWER_BYTES

    def test_of_interim_answers_without_an_end_few_are_taken(
        self, endpoint, receiver, make_job, happen, monkeypatch
    ):
        monkeypatch.setattr(sending, "TIME_LIMIT_SECONDS", 0.5)
        receiver.answer = continuing
        happen(make_job())
        deliver()
        assert only().error_code == "timeout"
        assert sent[0] < 2**24  # what buffers of the system hold

    def test_nobody_there(self, make_endpoint, receiver, make_job, happen):
        make_endpoint(url="http://127.0.0.1:1/")
        make_endpoint(url="http://no-such-name.invalid/")
        happen(make_job())
        deliver()
        codes = set(WebhookDelivery.objects.values_list("error_code", flat=True))
        assert codes == {"connection_failed", "name_not_resolved"}

    def test_a_certificate_of_nobodys(self, make_endpoint, make_job, happen, tmp_path):
        with Receiver(self_signed(tmp_path)) as receiver:
            make_endpoint(url=receiver.url().replace("http://", "https://"))
            happen(make_job())
            deliver()
            assert only().error_code == "tls_failed"
            assert not receiver.received


class TestRetries:
    def test_the_schedule_takes_three_days_and_then_it_has_failed(
        self, endpoint, receiver, make_job, happen
    ):
        receiver.answer = answering(500)
        happen(make_job())
        for number, wait in enumerate(retrying.RETRY_AFTER, 1):
            deliver()
            delivery = WebhookDelivery.objects.annotate(wait=F("due_at") - F("tried_at")).get()
            assert (delivery.state, delivery.tries) == ("waiting", number)
            slack = timedelta(milliseconds=1)
            assert wait - slack <= delivery.wait <= wait * (1 + retrying.JITTER) + slack
            due_now()
        deliver()
        assert (only().state, only().due_at) == ("failed", None)
        assert deliver() == 0
        assert sum(retrying.RETRY_AFTER, timedelta(0)) >= 3 * DAY

    @pytest.mark.parametrize(
        ("header", "least", "most"),
        [
            ("60", timedelta(seconds=60), timedelta(seconds=61)),
            ("1", timedelta(seconds=5), timedelta(seconds=6)),
            ("99999999999999999999", retrying.MAX_RETRY_AFTER, retrying.MAX_RETRY_AFTER),
            (
                "Fri, 31 Dec 2999 23:59:59 GMT",
                retrying.MAX_RETRY_AFTER,
                retrying.MAX_RETRY_AFTER,
            ),
            ("Fri, 31 Dec 1999 23:59:59 GMT", timedelta(seconds=5), timedelta(seconds=6)),
            ("soon", timedelta(seconds=5), timedelta(seconds=6)),
            ("-5", timedelta(seconds=5), timedelta(seconds=6)),
        ],
    )
    def test_the_receivers_wish_is_honoured_within_bounds(
        self, endpoint, receiver, make_job, happen, header, least, most
    ):
        receiver.answer = answering(503, headers=f"Retry-After: {header}\r\n")
        happen(make_job())
        deliver()
        delivery = WebhookDelivery.objects.annotate(wait=F("due_at") - F("tried_at")).get()
        slack = timedelta(milliseconds=1)
        assert least - slack <= delivery.wait <= most + slack


class TestDisabling:
    def test_who_says_that_it_is_gone_gets_nothing_more(self, endpoint, receiver, make_job, happen):
        receiver.answer = answering(410)
        happen(make_job(), "started")
        assert deliver(limit=1) == 1
        endpoint.refresh_from_db()
        assert endpoint.disabled_reason == "gone"
        assert deliver() == 1  # of which nothing is sent
        assert len(receiver.received) == 1
        codes = WebhookDelivery.objects.order_by("seq").values_list("state", "error_code")
        assert list(codes) == [("failed", "gone"), ("failed", "endpoint_disabled")]
        happen(make_job())
        assert WebhookDelivery.objects.count() == 2

    def test_after_three_days_of_failures_alone(self, endpoint, receiver, make_job, happen):
        receiver.answer = answering(500)
        happen(make_job())
        deliver()
        endpoint.refresh_from_db()
        assert endpoint.failing_since is not None
        almost = timedelta(minutes=1)
        for since, reason in ((3 * DAY - almost, None), (3 * DAY, "failing")):
            WebhookEndpoint.objects.update(failing_since=Now() - since)
            due_now()
            deliver()
            endpoint.refresh_from_db()
            assert endpoint.disabled_reason == reason

    def test_a_success_between_forgives(self, endpoint, receiver, make_job, happen):
        WebhookEndpoint.objects.update(failing_since=Now() - 2 * DAY)
        happen(make_job())
        deliver()
        endpoint.refresh_from_db()
        assert endpoint.failing_since is None

    def test_what_waits_for_a_deleted_endpoint_is_not_sent(
        self, endpoint, receiver, make_job, happen
    ):
        happen(make_job())
        endpoint.delete()
        deliver()
        assert not receiver.received
        assert (only().state, only().error_code) == ("failed", "endpoint_deleted")


class TestSecrets:
    def test_both_sign_while_one_is_rotated(self, endpoint, receiver, make_job, happen):
        before = secrets.shown(endpoint.secret)
        after = secrets.shown(endpoints.rotate_secret(endpoint).secret)
        happen(make_job())
        deliver()
        [one] = receiver.received
        for secret in (before, after):
            Webhook(secret).verify(one.body, one.headers)
        WebhookEndpoint.objects.update(previous_secret_expires_at=Now())
        happen(make_job())
        deliver()
        two = receiver.received[1]
        Webhook(after).verify(two.body, two.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(before).verify(two.body, two.headers)

    def test_they_are_stored_encrypted_by_a_key_that_can_be_changed(self, endpoint, settings):
        shown = secrets.shown(endpoint.secret)
        assert len(shown) == len("whsec_") + 44
        assert shown.removeprefix("whsec_").encode() not in bytes(endpoint.secret)
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another" * 10
        assert secrets.shown(endpoint.secret) == shown
        settings.SECRET_KEY_FALLBACKS = []
        with pytest.raises(encryption.UnreadableSecretError):
            secrets.shown(endpoint.secret)

    def test_a_secret_that_cannot_be_read_stops_nobody_else(
        self, endpoint, make_endpoint, receiver, make_job, happen
    ):
        make_endpoint(url=receiver.url("/other"))
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(secret=b"rubbish")
        happen(make_job())
        deliver()
        assert [one.path for one in receiver.received] == ["/other"]
        lost = WebhookDelivery.objects.get(endpoint=endpoint)
        assert (lost.state, lost.error_code) == ("waiting", "secret_unreadable")


class TestLeases:
    def test_what_is_held_is_nobody_elses_until_the_lease_ends(
        self, endpoint, receiver, make_job, happen
    ):
        happen(make_job())
        [first] = claims.claim(holder="a", limit=10)
        assert claims.claim(holder="b", limit=10) == []
        due_now()
        [second] = claims.claim(holder="b", limit=10)
        assert (first.id, first.tries, second.tries) == (second.id, 1, 2)
        assert claims.finish([(first, claims.Outcome(None))], holder="a") == 0
        assert only().holder == "b"
        assert claims.finish([(second, claims.Outcome(None, 200))], holder="b") == 1
        assert only().state == "succeeded"

    def test_what_is_given_back_was_no_try(self, endpoint, make_job, happen):
        happen(make_job())
        claims.claim(holder="a", limit=10)
        assert claims.release_own("b") == 0
        assert claims.release_own("a") == 1
        assert (only().holder, only().tries) == (None, 0)
        assert claims.claim(holder="b", limit=10)

    def test_what_a_dead_process_held_is_due_at_once(self, endpoint, make_job, happen):
        happen(make_job())
        claims.claim(holder=liveness.build_process_name(2**22 + 1), limit=10)
        assert claims.release_lost() == 1
        claims.claim(holder=liveness.process_name(), limit=10)
        assert claims.release_lost() == 0


class TestFairness:
    def test_lanes_take_turns_and_have_four_places_each(
        self, make_endpoint, make_user, make_job, happen, user
    ):
        other = make_user(balance=100)
        busy, quiet = make_endpoint(), make_endpoint(other)
        happen(make_job(), *["started"] * 20)
        happen(make_job(other))
        claimed = claims.claim(holder=HOLDER, limit=100)
        lanes = [one.lane for one in claimed]
        assert (lanes.count(busy.pk), lanes.count(quiet.pk)) == (claims.LANE_AT_ONCE, 1)
        claims.release_own(HOLDER)
        assert {one.lane for one in claims.claim(holder=HOLDER, limit=2)} == {busy.pk, quiet.pk}
        claims.release_own(HOLDER)
        places = {busy.pk: claims.LANE_AT_ONCE - 1}
        claimed = claims.claim(holder=HOLDER, limit=100, busy=places)
        assert [one.lane for one in claimed].count(busy.pk) == 1

    def test_slow_lanes_are_claimed_apart(self, make_endpoint, make_job, happen):
        slow, quick = make_endpoint(), make_endpoint()
        happen(make_job())
        for is_slow, lane in ((True, slow.pk), (False, quick.pk)):
            claimed = claims.claim(holder=HOLDER, limit=9, slow=[slow.pk], is_slow=is_slow)
            assert [one.lane for one in claimed] == [lane]

    def test_users_come_before_queues(self, make_endpoint, make_user, make_job, happen, user):
        other = make_user(balance=100)
        many = [make_endpoint() for _ in range(6)]
        happen(make_job(), *["started"] * 6)
        quiet = make_endpoint(other)
        happen(make_job(other))
        assert {one.owner_id for one in claims.claim(holder=HOLDER, limit=2)} == {
            user.pk,
            other.pk,
        }
        claims.release_own(HOLDER)
        under_way = {user.pk: claims.OWNER_AT_ONCE - 1}
        claimed = claims.claim(holder=HOLDER, limit=100, busy_owners=under_way)
        assert Counter(one.owner_id for one in claimed) == {user.pk: 1, other.pk: 1}
        claims.release_own(HOLDER)
        claimed = claims.claim(holder=HOLDER, limit=100)
        lanes = Counter(one.lane for one in claimed)
        assert lanes.pop(quiet.pk) == 1
        assert lanes.keys() == {one.pk for one in many}
        assert (lanes.total(), max(lanes.values())) == (claims.OWNER_AT_ONCE, 4)

    def test_a_queue_without_a_place_waits_in_front_of_those_that_had_one(
        self, make_endpoint, make_user, make_job, happen
    ):
        queues = []
        for _ in range(3):
            owner = make_user(balance=100)
            queues.append(make_endpoint(owner).pk)
            happen(make_job(owner), *["started"] * 4)
        claimed = [claims.claim(holder=HOLDER, limit=1)[0].lane for _ in range(3)]
        assert sorted(claimed) == sorted(queues)

    def test_a_queue_is_read_when_its_next_delivery_is_due(self, endpoint, make_job, happen):
        happen(make_job(), "started")
        later = timezone.now() + timedelta(hours=1)
        WebhookDelivery.objects.filter(seq=2).update(due_at=later)
        assert deliver() == 1
        assert WebhookQueue.objects.get().next_due_at > timezone.now()
        WebhookQueue.objects.update(next_due_at=timezone.now())  # as when the lease has ended
        assert claims.claim(holder=HOLDER, limit=9) == []
        assert WebhookQueue.objects.get().next_due_at == later
        WebhookDelivery.objects.filter(seq=2).update(due_at=Now())
        assert deliver() == 1
        WebhookQueue.objects.update(next_due_at=timezone.now())
        assert claims.claim(holder=HOLDER, limit=9) == []
        assert not WebhookQueue.objects.exists()

    def test_queues_that_are_not_due_are_not_read(self, endpoint, make_job, happen):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO webhook_deliveries"
                " (id, endpoint_id, lane, type, body, state, due_at, tries)"
                " SELECT gen_random_uuid(), lane, lane, 'job.failed', '{}', 'waiting',"
                "  now() + interval '1 hour', 1"
                " FROM (SELECT gen_random_uuid() AS lane FROM generate_series(1, 3000)) AS made"
            )
            cursor.execute("ANALYZE webhook_queues, webhook_deliveries")
        assert WebhookQueue.objects.count() == 3000
        happen(make_job())
        before = rows_read()
        assert [one.lane for one in claims.claim(holder=HOLDER, limit=100)] == [endpoint.pk]
        assert rows_read() - before < 50

    @pytest.mark.django_db(transaction=True)
    def test_what_is_written_while_a_sender_looks_is_not_forgotten(
        self, endpoint, make_job, happen
    ):
        happen(make_job())
        assert deliver() == 1
        WebhookQueue.objects.update(next_due_at=timezone.now())
        with transaction.atomic():
            [[queue_id]] = sql.run("lock_due_queues", slow=[], is_slow=False, queues=9)
            writer = threading.Thread(target=_ping_and_close, args=(endpoint,))
            writer.start()
            wait_for_lock()
            WebhookQueue.objects.filter(pk=queue_id).delete()  # nothing waits in it, as far as seen
        writer.join()
        assert len(claims.claim(holder=HOLDER, limit=9)) == 1


def _ping_and_close(endpoint: WebhookEndpoint) -> None:
    deliveries.create_ping(endpoint)
    connections.close_all()


def wait_for_lock() -> None:
    """Return once another connection waits for a lock of this database."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


def rows_read() -> int:
    """How many rows of queues and deliveries this transaction has fetched."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))"
            " FROM pg_stat_xact_user_tables WHERE relname LIKE 'webhook%'"
        )
        return int(cursor.fetchone()[0])


def test_deliveries_are_kept_for_a_while(endpoint, make_job, happen):
    happen(make_job(), "started")
    deliver()
    old, young = WebhookDelivery.objects.order_by("seq")
    for delivery, age in ((old, deliveries.KEPT), (young, deliveries.KEPT - DAY)):
        WebhookDelivery.objects.filter(pk=delivery.pk).update(created_at=Now() - age)
    assert deliveries.list_old_deliveries().count() == 1
    assert deliveries.delete_old_deliveries() == 1
    assert only().pk == young.pk


def test_bodies_are_json_as_the_hash_has_it(endpoint, receiver, make_job, happen):
    happen(make_job())
    deliver()
    [one] = receiver.received
    assert set(json.loads(one.body)) == {"type", "timestamp", "data", "seq", "hash"}
    assert only().state == DeliveryState.SUCCEEDED
