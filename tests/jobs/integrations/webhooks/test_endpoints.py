"""`/webhooks`: what their owners can do with endpoints and deliveries."""

import base64
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from standardwebhooks import Webhook

from jobs.integrations.webhooks import claims, deliveries, endpoints, secrets
from jobs.integrations.webhooks.models import (
    MAX_DESCRIPTION_LENGTH,
    WebhookDelivery,
    WebhookEndpoint,
)
from tests.jobs.integrations.webhooks.conftest import HOLDER, deliver
from tests.jobs.integrations.webhooks.receiver import answering

URL = "https://receiver.example/hook"


def post(api, path, body=None, **headers):
    return api.post(path, body or {}, format="json", **headers)


class TestEndpoints:
    def test_made_seen_changed_and_deleted(self, api):
        response = post(
            api, "/webhooks", {"url": URL, "events": ["job.failed"], "description": "x"}
        )
        assert response.status_code == 201
        body = response.json()
        assert len(base64.b64decode(body.pop("secret").removeprefix("whsec_"))) == 32
        path = f"/webhooks/{body['id']}"
        assert api.get(path).json() == body
        assert api.get("/webhooks").json()["webhooks"] == [body]
        assert (body["enabled"], body["disabled_reason"]) == (True, None)
        changed = api.patch(path, {"events": [], "enabled": False}, format="json").json()
        assert (changed["events"], changed["url"], changed["enabled"]) == ([], URL, False)
        assert changed["disabled_reason"] == "owner"
        assert api.delete(path).status_code == 204
        assert api.get(path).status_code == 404
        assert not WebhookEndpoint.objects.exists()

    def test_one_that_was_disabled_for_failing_is_enabled(self, api, endpoint):
        WebhookEndpoint.objects.update(
            disabled_at=Now(), disabled_reason="failing", failing_since=Now() - timedelta(days=4)
        )
        path = f"/webhooks/{endpoint.pk}"
        still = api.patch(path, {"enabled": False}, format="json").json()
        assert still["disabled_reason"] == "failing"
        body = api.patch(path, {"enabled": True}, format="json").json()
        assert body["enabled"]
        assert [body[n] for n in ("disabled_at", "disabled_reason", "failing_since")] == [None] * 3

    def test_so_many_and_not_one_more(self, api):
        for _ in range(endpoints.MAX_ENDPOINTS):
            assert post(api, "/webhooks", {"url": URL}).status_code == 201
        refused = post(api, "/webhooks", {"url": URL})
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_endpoints")
        assert refused.json()["max_endpoints"] == endpoints.MAX_ENDPOINTS

    def test_what_is_sent_twice_with_a_key_is_made_once(self, api):
        first, again = (
            post(api, "/webhooks", {"url": URL}, HTTP_IDEMPOTENCY_KEY="one") for _ in range(2)
        )
        assert first.json() == again.json()
        assert WebhookEndpoint.objects.count() == 1

    @pytest.mark.parametrize(
        ("given", "field", "code"),
        [
            ({}, "url", "required"),
            ({"url": ""}, "url", "blank"),
            ({"url": None}, "url", "null"),
            ({"url": 5}, "url", "scheme_refused"),
            ({"url": "https://user:pw@receiver.example/"}, "url", "credentials_refused"),
            ({"url": "https://receiver.example/#x"}, "url", "fragment_refused"),
            ({"url": "https://receiver.example/" + "x" * 2000}, "url", "url_too_long"),
            ({"url": URL, "events": ["job.exploded"]}, "events.0", "invalid_choice"),
            ({"url": URL, "events": ["job.failed"] * 8}, "events", "max_length"),
            ({"url": URL, "events": "job.failed"}, "events", "not_a_list"),
            (
                {"url": URL, "description": "x" * (MAX_DESCRIPTION_LENGTH + 1)},
                "description",
                "max_length",
            ),
        ],
    )
    def test_what_is_wrong_is_told(self, api, given, field, code):
        answer = post(api, "/webhooks", given)
        assert answer.status_code == 400
        assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [(field, code)]

    def test_addresses_are_refused_by_the_settings_of_production(self, api, settings):
        settings.WEBHOOK_HTTP = False
        settings.WEBHOOK_PORTS = [range(443, 444)]
        settings.WEBHOOK_ALLOWED_NETWORKS = []
        settings.WEBHOOK_REFUSED_NETWORKS = [ip_network("8.8.8.8/32")]
        settings.PUBLIC_URL = "https://api.auteur.example"
        for url, code in (
            ("http://receiver.example/", "scheme_refused"),
            ("https://receiver.example:8080/", "port_refused"),
            ("https://169.254.169.254/latest", "address_refused"),
            ("https://8.8.8.8/", "address_refused"),
            ("https://localhost/", "host_refused"),
            ("https://api.auteur.example/jobs", "host_refused"),
        ):
            [error] = post(api, "/webhooks", {"url": url}).json()["errors"]
            assert error["code"] == code
        assert post(api, "/webhooks", {"url": URL}).status_code == 201

    def test_what_is_anothers_is_not_there(self, client_of, make_user, endpoint, make_job, happen):
        happen(make_job())
        delivery = WebhookDelivery.objects.get()
        other = client_of(make_user())
        path = f"/webhooks/{endpoint.pk}"
        assert other.get("/webhooks").json()["webhooks"] == []
        for answer in (
            other.get(path),
            other.patch(path, {"enabled": False}, format="json"),
            other.delete(path),
            post(other, f"{path}/rotate"),
            post(other, f"{path}/ping"),
            post(other, f"{path}/replay", {"after": 0}),
            other.get(f"{path}/deliveries"),
            other.get(f"{path}/deliveries/{delivery.pk}"),
            post(other, f"{path}/deliveries/{delivery.pk}/redeliver"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


class TestSecrets:
    def test_it_is_shown_when_it_is_made_and_never_again(self, api):
        body = post(api, "/webhooks", {"url": URL}).json()
        path = f"/webhooks/{body['id']}"
        assert "secret" not in api.get(path).json()
        rotated = post(api, f"{path}/rotate").json()
        assert rotated["secret"].startswith("whsec_")
        assert rotated["secret"] != body["secret"]
        until = timezone.datetime.fromisoformat(rotated["previous_secret_expires_at"])
        remaining = until - timezone.now()
        assert endpoints.ROTATION - timedelta(minutes=1) < remaining <= endpoints.ROTATION

    def test_that_of_callbacks_is_the_users_own(self, api, client_of, make_user):
        mine = api.get("/webhooks/callback-secret").json()
        assert api.get("/webhooks/callback-secret").json() == mine
        assert client_of(make_user()).get("/webhooks/callback-secret").json() != mine
        assert api.get("/webhooks").json()["webhooks"] == []
        path = f"/webhooks/{mine['id']}"
        rotated = post(api, f"{path}/rotate").json()["secret"]
        assert rotated != mine["secret"]
        assert api.get("/webhooks/callback-secret").json()["secret"] == rotated
        assert api.get(f"{path}/deliveries").status_code == 200
        assert post(api, f"{path}/ping").status_code == 404
        assert api.patch(path, {"url": URL}, format="json").status_code == 404
        assert api.delete(path).status_code == 404


class TestDeliveries:
    def test_the_log_tells_what_was_sent_and_answered(
        self, api, endpoint, receiver, make_job, happen
    ):
        receiver.answer = answering(500, b"out of order")
        job = make_job()
        happen(job, "started")
        deliver()
        path = f"/webhooks/{endpoint.pk}/deliveries"
        listed = api.get(path).json()["deliveries"]
        assert {body["seq"] for body in listed} == {1, 2}
        body = api.get(f"{path}/{listed[0]['id']}").json()
        assert body["job_id"] == str(job.pk)
        assert (body["state"], body["status"], body["error_code"]) == ("waiting", 500, "status")
        assert (body["tries"], body["answer"]) == (1, "out of order")
        assert body["body"] in [received.event for received in receiver.received]
        assert body["request_headers"]["webhook-id"] == body["id"]
        assert "webhook-signature" not in body["request_headers"]
        page = api.get(f"{path}?limit=1").json()
        assert len(page["deliveries"]) == 1
        assert len(api.get(page["next"]).json()["deliveries"]) == 1

    def test_a_ping_is_a_delivery_of_no_event(self, api, endpoint, receiver):
        answer = post(api, f"/webhooks/{endpoint.pk}/ping")
        assert answer.status_code == 202
        deliver()
        [first] = receiver.received
        Webhook(secrets.reveal_secret(endpoint.secret)).verify(first.body, first.headers)
        assert first.event["type"] == "webhook.ping"
        assert first.event["data"] == {"endpoint_id": str(endpoint.pk)}
        delivery = api.get(f"/webhooks/{endpoint.pk}/deliveries/{answer.json()['id']}").json()
        assert (delivery["state"], delivery["seq"]) == ("succeeded", None)

    def test_one_is_sent_again_at_once(self, api, endpoint, receiver, make_job, happen):
        happen(make_job())
        delivery = WebhookDelivery.objects.get()
        path = f"/webhooks/{endpoint.pk}/deliveries/{delivery.pk}/redeliver"
        claims.claim(holder=HOLDER, limit=1)
        refused = post(api, path)
        assert (refused.status_code, refused.json()["code"]) == (409, "delivery_under_way")
        claims.release_own(HOLDER)
        deliver()
        again = post(api, path)
        assert (again.status_code, again.json()["state"]) == (202, "waiting")
        deliver()
        first, second = receiver.received
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert WebhookDelivery.objects.get().tries == 1

    def test_nothing_can_be_sent_to_what_is_disabled(
        self, api, endpoint, receiver, make_job, happen
    ):
        happen(make_job())
        delivery = WebhookDelivery.objects.get()
        path = f"/webhooks/{endpoint.pk}"
        api.patch(path, {"enabled": False}, format="json")
        for answer in (
            post(api, f"{path}/ping"),
            post(api, f"{path}/deliveries/{delivery.pk}/redeliver"),
            post(api, f"{path}/replay", {"after": 0}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_disabled")

    def test_a_replay_sends_all_that_came_since(
        self, api, make_endpoint, receiver, make_job, happen
    ):
        early = make_endpoint(events=["job.started"])
        happen(make_job(), "started")
        deliver()
        late = make_endpoint(url=receiver.url("/late"))
        replay = post(api, f"/webhooks/{early.pk}/replay", {"after": 0})
        assert replay.status_code == 202
        assert replay.json() == {"deliveries": 1, "last_seq": 2}
        assert post(api, f"/webhooks/{late.pk}/replay", {"after": 1}).json()["deliveries"] == 1
        assert post(api, f"/webhooks/{late.pk}/replay", {"after": 2}).json() == {
            "deliveries": 0,
            "last_seq": 2,
        }
        receiver.received.clear()
        deliver()
        got = {(first.path, first.event["seq"]) for first in receiver.received}
        assert got == {("/hook", 2), ("/late", 2)}
        assert WebhookDelivery.objects.count() == 2
        future = post(api, f"/webhooks/{late.pk}/replay", {"after": 3})
        assert (future.status_code, future.json()["code"]) == (400, "future_event")

    def test_a_replay_goes_on_where_it_ended(self, api, endpoint, make_job, happen, monkeypatch):
        monkeypatch.setattr(deliveries, "MAX_REPLAYED", 3)
        happen(make_job(), *["started"] * 3)
        deliver()
        path = f"/webhooks/{endpoint.pk}/replay"
        assert post(api, path, {"after": 0}).json() == {"deliveries": 3, "last_seq": 3}
        assert post(api, path, {"after": 3}).json() == {"deliveries": 1, "last_seq": 4}
        assert WebhookDelivery.objects.filter(state="waiting").count() == 4


class TestVerification:
    def challenge(self, api, endpoint, receiver):
        sent = post(api, f"/webhooks/{endpoint.pk}/challenge")
        assert sent.status_code == 202
        assert "challenge" not in sent.json()["body"]["data"]
        assert deliver() == 1
        received = receiver.received[-1]
        Webhook(secrets.reveal_secret(endpoint.secret)).verify(received.body, received.headers)
        assert received.event["type"] == "webhook.verification"
        return received.event["data"]["challenge"], sent.json()["id"]

    def test_without_it_there_is_no_replay(self, api, make_endpoint):
        endpoint = make_endpoint(verified=False)
        refused = post(api, f"/webhooks/{endpoint.pk}/replay", {"after": 0})
        assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_unverified")
        assert api.get(f"/webhooks/{endpoint.pk}").json()["verified_at"] is None

    @pytest.mark.parametrize("form", ["{}", ' {{"challenge": "{}"}}\n'])
    def test_a_receiver_that_answers_with_the_challenge_is_verified(
        self, api, make_endpoint, receiver, form
    ):
        endpoint = make_endpoint(verified=False)

        async def echo(writer):
            text = form.format(receiver.received[-1].event["data"]["challenge"])
            await answering(200, text.encode())(writer)

        receiver.answer = echo
        self.challenge(api, endpoint, receiver)
        assert api.get(f"/webhooks/{endpoint.pk}").json()["verified_at"] is not None
        assert post(api, f"/webhooks/{endpoint.pk}/replay", {"after": 0}).status_code == 202

    def test_a_server_that_repeats_what_it_gets_is_not(self, api, make_endpoint, receiver):
        endpoint = make_endpoint(verified=False)

        async def repeat(writer):
            await answering(200, receiver.received[-1].body)(writer)

        receiver.answer = repeat
        _, delivery_id = self.challenge(api, endpoint, receiver)
        assert api.get(f"/webhooks/{endpoint.pk}").json()["verified_at"] is None
        delivery = api.get(f"/webhooks/{endpoint.pk}/deliveries/{delivery_id}").json()
        assert (delivery["state"], delivery["answer"]) == ("succeeded", None)
        assert "challenge" not in delivery["body"]["data"]

    def test_its_owner_hands_in_what_was_received(self, api, make_endpoint, receiver):
        endpoint = make_endpoint(verified=False)
        challenge, _ = self.challenge(api, endpoint, receiver)
        path = f"/webhooks/{endpoint.pk}/verify"
        wrong = post(api, path, {"challenge": "x" * 64})
        assert (wrong.status_code, wrong.json()["code"]) == (409, "wrong_challenge")
        verified = post(api, path, {"challenge": challenge})
        assert (verified.status_code, verified.json()["verified_at"] is None) == (200, False)

    def test_another_url_needs_another_challenge(self, api, make_endpoint, receiver):
        endpoint = make_endpoint()
        challenge, _ = self.challenge(api, endpoint, receiver)
        path = f"/webhooks/{endpoint.pk}"
        assert api.patch(path, {"description": "x"}, format="json").json()["verified_at"]
        changed = api.patch(path, {"url": receiver.url("/other")}, format="json").json()
        assert changed["verified_at"] is None
        assert post(api, f"{path}/verify", {"challenge": challenge}).status_code == 409

    def test_every_event_is_sent_before_it(self, make_endpoint, make_job, happen):
        unverified, verified = make_endpoint(verified=False), make_endpoint()
        happen(make_job(), "started", "requeued")
        assert deliveries.list_deliveries(unverified).count() == 3
        assert deliveries.list_deliveries(verified).count() == 3
