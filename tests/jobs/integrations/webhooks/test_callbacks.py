"""`callback_url`: a job's end is told to whom its submission named."""

import pytest
from standardwebhooks import Webhook

from credits import ledger
from jobs import lifecycle
from jobs.integrations.webhooks import deliveries
from jobs.integrations.webhooks.models import WebhookDelivery, WebhookQueue
from jobs.models import Job
from tests.jobs.integrations.webhooks.conftest import deliver
from tests.jobs.integrations.webhooks.receiver import answering

TRANSCRIPTION = "/jobs/transcription"


@pytest.fixture
def submit(api, make_media, receiver):
    def submit(path=TRANSCRIPTION, url=None, **given):
        body = {"media_id": str(make_media().pk), **given}
        body["callback_url"] = url or receiver.url("/done")
        return api.post(path, body, format="json")

    return submit


def cancelled(job_id, happen):
    lifecycle.cancel(job_id=job_id, by="user")
    happen(Job.objects.get(pk=job_id))


def test_its_end_alone_is_told_and_signed(api, submit, receiver, happen):
    job = Job.objects.get(pk=submit().json()["job_id"])
    assert "callback_url" not in job.parameters
    body = api.get(f"/jobs/{job.pk}").json()
    assert body["callback_url"] == receiver.url("/done")
    happen(job, "started")
    assert deliver() == 0
    cancelled(job.pk, happen)
    deliver()
    [first] = receiver.received
    mine = api.get("/webhooks/callback-secret").json()
    event = Webhook(mine["secret"]).verify(first.body, first.headers)
    assert (event["type"], event["data"]["job_id"]) == ("job.cancelled", str(job.pk))
    assert first.path == "/done"
    [listed] = api.get(f"/webhooks/{mine['id']}/deliveries").json()["deliveries"]
    assert (listed["url"], listed["state"]) == (receiver.url("/done"), "succeeded")


def test_what_is_not_called_is_refused_before_anything_is_charged(submit, user):
    before = ledger.get_balance(user_id=user.pk)
    answer = submit(url="https://169.254.169.254/")
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert (error["field"], error["code"]) == ("callback_url", "address_refused")
    assert ledger.get_balance(user_id=user.pk) == before
    assert not Job.objects.exists()


def test_each_job_of_a_batch_has_its_own(api, make_media, receiver):
    jobs = [
        {"type": "transcription", "media_id": str(make_media().pk), **callback}
        for callback in ({"callback_url": receiver.url("/a")}, {})
    ]
    answer = api.post("/jobs/batch", {"jobs": jobs}, format="json").json()
    urls = [Job.objects.get(pk=job["job_id"]).callback_url for job in answer["jobs"]]
    assert urls == [receiver.url("/a"), None]
    jobs[1]["callback_url"] = "ftp://receiver.example/"
    answer = api.post("/jobs/batch", {"jobs": jobs}, format="json")
    assert [error["field"] for error in answer.json()["errors"]] == ["jobs.1.callback_url"]


def test_a_job_that_is_run_again_keeps_it(api, submit, receiver, happen):
    job_id = submit().json()["job_id"]
    cancelled(job_id, happen)
    again = api.post(f"/jobs/{job_id}/retry").json()["job_id"]
    assert Job.objects.get(pk=again).callback_url == receiver.url("/done")


@pytest.mark.parametrize("asked_with", [True, False])
def test_a_quote_holds_with_and_without(api, submit, make_media, receiver, asked_with):
    media_id = str(make_media().pk)
    callback = {"callback_url": receiver.url()} if asked_with else {}
    request_data = {"media_id": media_id, **callback}
    quote = api.post(f"{TRANSCRIPTION}/estimate", request_data, format="json").json()["quote_id"]
    assert submit(media_id=media_id, quote_id=quote).status_code == 202


def test_the_same_key_with_another_callback_is_another_request(api, make_media, receiver):
    media_id = str(make_media().pk)
    codes = [
        api.post(
            TRANSCRIPTION,
            {"media_id": media_id, "callback_url": receiver.url(path)},
            format="json",
            HTTP_IDEMPOTENCY_KEY="one",
        ).status_code
        for path in ("/a", "/a", "/b")
    ]
    assert codes == [202, 202, 409]


def test_callbacks_have_queues_by_origin_and_disable_nothing(submit, receiver, happen):
    elsewhere = receiver.url().replace("127.0.0.1", "localhost")
    receiver.answer = answering(410)
    for url in (receiver.url("/a"), receiver.url("/b"), elsewhere):
        cancelled(submit(url=url).json()["job_id"], happen)
    lanes = dict(WebhookDelivery.objects.values_list("url", "lane"))
    assert lanes[receiver.url("/a")] == lanes[receiver.url("/b")]
    deliver()
    for delivery in WebhookDelivery.objects.select_related("endpoint"):
        assert (delivery.state, delivery.error_code) == ("failed", "gone")
        assert delivery.endpoint.disabled_at is None
    receiver.answer = answering(200)
    cancelled(submit().json()["job_id"], happen)
    deliver()
    assert WebhookDelivery.objects.filter(state="succeeded").count() == 1


def test_however_many_origins_a_user_names_they_share_a_few_queues(user, make_job, happen):
    jobs = [make_job(minutes=0) for _ in range(60)]
    for number, job in enumerate(jobs):
        Job.objects.filter(pk=job.pk).update(callback_url=f"https://c{number}.example/")
        lifecycle.cancel(job_id=job.pk, by="user")
    happen(jobs[0])
    assert WebhookDelivery.objects.count() == 60
    assert WebhookQueue.objects.count() == deliveries.CALLBACK_QUEUES
    assert set(WebhookQueue.objects.values_list("user_id", flat=True)) == {user.pk}
