"""`POST /jobs/batch`: all of them or none."""

import uuid

import pytest

from auteur.core.api.models import IdempotencyKey
from credits import ledger
from credits.models import CreditTransaction
from jobs.features.registry import get_feature
from jobs.models import Event, Job
from jobs.submission import MAX_BATCH
from projects.models import Project
from tests.contract import described

URL = "/jobs/batch"


def noop(price=1, **parameters):
    return {"type": "noop", "price": price, **parameters}


def submit(api, *jobs, **headers):
    return api.post(URL, {"jobs": list(jobs)}, format="json", headers=headers)


def nothing_happened(user):
    return not Job.objects.exists() and ledger.get_balance(user_id=user.pk) == 100


def errors_of(answer):
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    return [(error["field"], error["code"]) for error in answer.json()["errors"]]


def test_one_answer_per_job_in_order(api, user, make_media):
    media = make_media(duration_ms=600_000)
    transcription = {"type": "transcription", "media_id": str(media.pk)}
    answer = submit(api, noop(3), transcription, noop(0), noop(4))
    assert answer.status_code == 202
    job_bodies = answer.json()["jobs"]
    assert [(job["status"], job["credits_cost"]) for job in job_bodies] == [
        ("pending", 3),
        ("pending", 5),
        ("pending", 0),
        ("pending", 4),
    ]
    jobs = {str(job.pk): job for job in Job.objects.all()}
    assert [jobs[job["job_id"]].type for job in job_bodies] == [
        "noop",
        "transcription",
        "noop",
        "noop",
    ]
    assert jobs[job_bodies[1]["job_id"]].media_ids == [media.pk]
    assert Event.objects.filter(type="requested").count() == 4


def test_each_job_has_its_usage_row_and_the_chain_holds(api, user):
    jobs = submit(api, noop(3), noop(0), noop(5), noop(2)).json()["jobs"]
    rows = CreditTransaction.objects.filter(user=user).order_by("seq")
    assert [(row.seq, row.amount, row.balance_after) for row in rows] == [
        (1, 100, 100),
        (2, -3, 97),
        (3, -5, 92),
        (4, -2, 90),
    ]
    assert [str(row.job_id) for row in rows[1:]] == [jobs[n]["job_id"] for n in (0, 2, 3)]
    assert ledger.get_balance(user_id=user.pk) == 90


def test_a_batch_is_stored_as_single_jobs_are(api):
    submit(api, noop(2, seconds=1.5))
    api.post("/jobs/noop", {"price": 2, "seconds": 1.5}, format="json")
    own = ("id", "rank", "created_at", "wake_at", "start_deadline_at")
    first, other = (
        {name: value for name, value in job.items() if name not in own}
        for job in Job.objects.values()
    )
    assert first == other


def test_what_is_free_needs_no_credits(client_of, make_user):
    answer = submit(client_of(make_user()), noop(0), noop(0))
    assert answer.status_code == 202
    assert not CreditTransaction.objects.exists()


def test_the_total_must_be_covered(api, user):
    answer = submit(api, noop(60), noop(41))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (402, "insufficient_credits")
    assert (body["balance"], body["required"]) == (100, 101)
    assert nothing_happened(user)
    assert submit(api, noop(60), noop(40)).status_code == 202


@pytest.mark.parametrize(("count", "status"), [(1, 202), (MAX_BATCH, 202), (MAX_BATCH + 1, 400)])
def test_how_many_at_most(api, user, count, status):
    answer = submit(api, *[noop(1)] * count)
    assert answer.status_code == status
    if status == 400:
        assert errors_of(answer) == [("jobs", "max_length")]
        assert nothing_happened(user)
    else:
        assert ledger.get_balance(user_id=user.pk) == 100 - count


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"jobs": []}, ("jobs", "min_length")),
        ({}, ("jobs", "required")),
        ({"jobs": None}, ("jobs", "null")),
        ({"jobs": "all"}, ("jobs", "not_a_list")),
        ({"jobs": ["noop"]}, ("jobs.0", "invalid")),
        ({"jobs": [{}]}, ("jobs.0.type", "required")),
        ({"jobs": [{"type": "nonsense"}]}, ("jobs.0.type", "invalid_choice")),
        ({"jobs": [{"type": ["noop"]}]}, ("jobs.0.type", "invalid_choice")),
        ({"jobs": [noop(), {"type": "noop\x01"}]}, ("jobs.1.type", "invalid_choice")),
    ],
)
def test_a_batch_that_is_none(api, user, body, error):
    assert errors_of(api.post(URL, body, format="json")) == [error]
    assert nothing_happened(user)


def test_a_type_as_in_a_path_is_told_which_there_are(api):
    batch = submit(api, {"type": "gaze-redirection"})
    listed = api.get("/jobs", {"type": "gaze-redirection"})
    for answer in (batch, listed):
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["code"]) == (400, "invalid_choice")
        assert "is not one of: audio_generation, compression, gaze_r" in error["detail"]


def test_every_jobs_errors_are_told_by_its_index(api, user, make_user, make_media):
    picture = make_media(type="image")
    theirs = make_media(make_user())
    quote = api.post("/jobs/noop/estimate", {"price": 9}, format="json").json()["quote_id"]
    answer = submit(
        api,
        noop(1),
        noop(-1, seconds=61),
        {"type": "transcription", "media_id": str(picture.pk)},
        {"type": "transcription", "media_id": str(theirs.pk)},
        {
            "type": "transcription",
            "media_id": str(make_media().pk),
            "project_id": str(uuid.uuid4()),
        },
        noop(colour="red"),
        noop(2, quote_id=quote),
    )
    assert errors_of(answer) == [
        ("jobs.1.seconds", "max_value"),
        ("jobs.1.price", "min_value"),
        ("jobs.2.media_id", "wrong_media_type"),
        ("jobs.3.media_id", "not_found"),
        ("jobs.4.project_id", "not_found"),
        ("jobs.5.colour", "unknown_parameter"),
        ("jobs.6.quote_id", "invalid_quote"),
    ]
    assert nothing_happened(user)


def test_a_plan_is_asked_for_job_by_job(api, user, monkeypatch):
    monkeypatch.setattr(type(get_feature("noop")), "plan", "pro")
    assert errors_of(submit(api, noop())) == [("jobs.0", "plan_required")]
    user.subscriptions.create(plan="pro", status="active")
    assert submit(api, noop()).status_code == 202


def test_quotes_hold_in_a_batch(api):
    quote = api.post("/jobs/noop/estimate", {"price": 9}, format="json").json()["quote_id"]
    answer = submit(api, noop(1), noop(9, quote_id=quote))
    assert [job["credits_cost"] for job in answer.json()["jobs"]] == [1, 9]


def test_media_that_goes_away_at_the_last_moment(api, user, make_media, monkeypatch):
    """Between the check and the statement: nothing is stored for a job that has no input."""
    media = make_media()
    feature = type(get_feature("transcription"))
    price = feature.price

    def delete_then_price(self, parameters):
        parameters["media_id"].delete()
        return price(self, parameters)

    media_id = str(media.pk)
    monkeypatch.setattr(feature, "price", delete_then_price)
    answer = submit(api, noop(), {"type": "transcription", "media_id": media_id})
    assert answer.status_code == 404
    assert nothing_happened(user)


@pytest.mark.django_db(transaction=True)
def test_a_project_that_goes_away_at_the_last_moment(api, user, make_media, monkeypatch):
    project = Project.objects.create(user=user, name="Film")
    feature = type(get_feature("transcription"))
    price = feature.price

    def delete_then_price(self, parameters):
        Project.objects.filter(pk=project.pk).delete()
        return price(self, parameters)

    monkeypatch.setattr(feature, "price", delete_then_price)
    media = make_media()
    job = {"type": "transcription", "media_id": str(media.pk), "project_id": str(project.pk)}
    assert submit(api, job, **{"Idempotency-Key": "k"}).status_code == 404
    assert nothing_happened(user)
    assert not IdempotencyKey.objects.exists()


def test_a_key_stands_for_the_batch_as_a_whole(api, user):
    first, again, other = (
        submit(api, *jobs, **{"Idempotency-Key": "k"})
        for jobs in ([noop(), noop()], [noop(), noop()], [noop()])
    )
    assert again.content == first.content
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert ledger.get_balance(user_id=user.pk) == 98


def test_the_schema_knows_a_jobs_parameters_by_its_type():
    schemas = described()["components"]["schemas"]
    jobs = schemas["BatchRequest"]["properties"]["jobs"]
    assert (jobs["minItems"], jobs["maxItems"]) == (1, MAX_BATCH)
    kinds = schemas[jobs["items"]["$ref"].rpartition("/")[2]]["discriminator"]["mapping"]
    transcription = schemas[kinds["transcription"].rpartition("/")[2]]
    assert {"type", "media_id"} <= set(transcription["required"])
