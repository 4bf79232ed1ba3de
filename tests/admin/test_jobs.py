"""Jobs in the admin: found, read, cancelled, requeued and run again; never edited."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from auteur.core.admin import MAX_REASON_CHARS, MAX_SELECTED
from credits import ledger
from credits.models import CreditTransaction
from jobs import cancels, lifecycle
from jobs.models import Attempt, Event, Job, RunningCancel
from jobs.states import AttemptState, JobStatus
from tests.admin.conftest import REASON, XSS, list_url, messages_of, page_url, records_of
from tests.jobs.walk import bring_to, number_all


def event_of(job, type):
    return Event.objects.get(job=job, type=type)


def balance_of(user):
    return ledger.get_balance(user_id=user.pk)


class TestReading:
    def test_the_list_tells_where_a_job_stands(self, root, job, user):
        listed = root.list(Job)
        for text in (
            "Processing",
            "transcription",
            user.email,
            "1: running",
            str(job.pk)[-8:],
        ):
            assert text in listed

    def test_a_job_is_found_by_the_ids_of_its_parts(self, root, job, make_job):
        other = make_job()
        Event.objects.filter(job=job, type="requested").update(
            data={"request_id": "from-a-client-1"}
        )
        number_all()
        for term in (job.attempt_id, job.attempt.call_id, " from-a-client-1 "):
            listed = root.list(Job, q=term)
            assert str(job.pk)[-8:] in listed
            assert str(other.pk)[-8:] not in listed

    def test_a_class_and_an_error_of_a_newer_release_are_shown(self, root, job):
        Attempt.objects.filter(pk=job.attempt_id).update(gpu_class="Z900")
        Job.objects.filter(pk=job.pk).update(gpu_class="Z900", error_code="GPU_ON_STRIKE")
        listed = root.list(Job)
        assert "Z900" in listed
        assert "GPU_ON_STRIKE" in listed
        assert "local / draft (Z900)" in root.page(job)

    def test_a_job_leads_to_all_that_belongs_to_it(self, root, job, user):
        usage = CreditTransaction.objects.get(job=job)
        [media_id] = job.media_ids
        page = root.page(job)
        for target in (
            page_url(user),
            page_url(usage),
            f"/admin/media/mediafile/{media_id}/change/",
        ):
            assert f'href="{target}"' in page

    def test_a_job_shows_its_project(self, root, job, project):
        Job.objects.filter(pk=job.pk).update(project=project)
        page = root.page(job)
        assert f'href="{page_url(project)}"' in page
        assert XSS not in page

    def test_a_job_shows_attempts_and_events(self, root, job):
        number_all()
        page = root.page(job)
        for text in ("call-1", "local / draft (CPU)", "requested", "started", "dispatched"):
            assert text.lower() in page.lower()

    def test_media_that_is_gone_is_said_to_be_gone(self, root, job):
        job.media_ids = ["00000000-0000-4000-8000-000000000000"]
        job.save(update_fields=["media_ids"])
        assert "00000000-0000-4000-8000-000000000000 (deleted)" in root.page(job)

    def test_input_and_output_are_readable_and_harmless(self, root, completed):
        Job.objects.filter(pk=completed.pk).update(
            input_params={"prompt": XSS}, output_data={"transcript": {"text": XSS}}
        )
        page = root.page(completed)
        assert XSS not in page
        assert "&quot;prompt&quot;: &quot;&lt;script&gt;alert(" in page
        assert "&quot;text&quot;: &quot;&lt;script&gt;" in page

    def test_an_error_that_names_markup_is_harmless(self, root, job):
        lifecycle.cancel(job_id=job.pk, by="user", reason=XSS)
        Attempt.objects.filter(job=job).update(error_code="MODEL_ERROR", error_message=XSS)
        page = root.page(job)
        assert XSS not in page
        assert "MODEL_ERROR: &lt;script&gt;" in page

    def test_nobody_edits_a_column(self, root, job):
        page = root.page(job)
        assert 'name="_save"' not in page
        assert 'name="credits_cost"' not in page
        response = root.client.post(page_url(job), {"credits_cost": 0, "status": "completed"})
        assert response.status_code == 403
        job.refresh_from_db()
        assert (job.credits_cost, job.status) == (5, JobStatus.PROCESSING)

    def test_the_list_leaves_large_columns_in_the_database(self, root, job):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            root.list(Job)
        read = [query["sql"] for query in queries if 'FROM "jobs"' in query["sql"]]
        assert read
        assert not any("output_data" in sql or '."result"' in sql for sql in read)

    def test_the_ledger_is_for_who_may_see_it(self, staff_with, job):
        browser = staff_with("jobs.view_job")
        page = browser.page(job)
        assert "call-1" in page
        assert "credits/credittransaction" not in page


class TestFinding:
    @pytest.fixture
    def other(self, make_user, make_job):
        return make_job(make_user(balance=10, email="somebody.else@example.com"))

    def found(self, root, **query):
        listed = root.list(Job, **query)
        return {job.pk for job in Job.objects.all() if f"/{job.pk}/change/" in listed}

    def test_by_id(self, root, job, other):
        assert self.found(root, q=str(job.pk)) == {job.pk}

    def test_by_user_id(self, root, job, other):
        assert self.found(root, q=str(other.user_id)) == {other.pk}

    def test_by_email(self, root, job, other):
        assert self.found(root, q="somebody.else") == {other.pk}

    def test_by_status(self, root, job, other):
        assert self.found(root, status__exact="processing") == {job.pk}

    def test_by_type(self, root, job, other):
        Job.objects.filter(pk=other.pk).update(type="lip_sync")
        assert self.found(root, type="transcription") == {job.pk}

    def test_by_error_code(self, root, job, other):
        lifecycle.expire(job_id=other.pk)
        assert self.found(root, error_code__exact="DEADLINE_EXCEEDED") == {other.pk}

    def test_by_day(self, root, job, other):
        assert self.found(root, created_at__gte="2000-01-01 00:00+00:00") == {job.pk, other.pk}
        assert self.found(root, created_at__gte="2999-01-01 00:00+00:00") == set()

    def test_by_user_and_says_so(self, root, job, other):
        query = {"user__id__exact": str(other.user_id)}
        assert self.found(root, **query) == {other.pk}
        assert f">{other.user.email}</a>" in root.list(Job, **query)

    def test_an_id_that_is_none_is_no_fault_of_ours(self, root, job):
        response = root.client.get(list_url(Job), {"user__id__exact": "nonsense"})
        assert response.status_code == 302

    def test_nul_in_the_search_box(self, root, job):
        assert root.client.get(list_url(Job), {"q": "a\0b"}).status_code == 200


class TestCancel:
    def test_asks_first(self, root, job):
        page = root.act("cancel", job).content.decode()
        assert str(job.pk) in page
        assert 'name="reason"' in page
        job.refresh_from_db()
        assert job.status == JobStatus.PROCESSING

    def test_ends_the_job_refunds_and_is_recorded(self, root, job, user):
        assert balance_of(user) == 95
        response = root.act("cancel", job, reason=REASON)
        job.refresh_from_db()
        assert job.status == JobStatus.CANCELLED
        assert balance_of(user) == 100
        assert messages_of(response) == [f"job {job}: Cancelled, 5 credits refunded."]
        assert records_of(job) == [(root.user, f"Cancelled, 5 credits refunded. Reason: {REASON}")]
        output = event_of(job, "cancelled").data
        assert (output["by"], output["reason"]) == (f"staff:{root.user.pk}", REASON)

    def test_needs_a_reason(self, root, job):
        response = root.act("cancel", job, reason="  ")
        assert response.status_code == 400
        assert "This field is required." in response.content.decode()
        job.refresh_from_db()
        assert job.status == JobStatus.PROCESSING

    def test_takes_a_reason_at_the_limit(self, root, job):
        root.act("cancel", job, reason="a" * MAX_REASON_CHARS)
        job.refresh_from_db()
        assert job.status == JobStatus.CANCELLED

    def test_refuses_a_reason_past_the_limit(self, root, job):
        assert root.act("cancel", job, reason="a" * (MAX_REASON_CHARS + 1)).status_code == 400

    def test_says_of_each_job_what_became_of_it(self, root, job, completed):
        response = root.act("cancel", job, completed, reason=REASON)
        assert sorted(messages_of(response)) == sorted(
            [
                f"job {job}: Cancelled, 5 credits refunded.",
                f"job {completed}: {lifecycle.JobFinishedProblem.default_detail}",
            ]
        )
        completed.refresh_from_db()
        assert completed.status == JobStatus.COMPLETED
        assert records_of(completed) == []

    def test_reaches_a_job_that_left_the_filtered_list_meanwhile(self, root, job):
        url = f"{list_url(Job)}?status__exact=pending"
        data = {"action": "cancel", "_selected_action": str(job.pk), "confirmed": "1"}
        response = root.client.post(url, {**data, "reason": REASON}, follow=True)
        assert messages_of(response) == [f"job {job}: Cancelled, 5 credits refunded."]

    def test_from_a_jobs_page_leads_back_to_it(self, root, job):
        assert 'value="cancel"' in root.page(job)
        response = root.act("cancel", job, reason=REASON, from_object="1")
        assert response.redirect_chain == [(page_url(job), 302)]

    def test_shows_the_reason_in_the_history_as_text(self, root, job):
        root.act("cancel", job, reason=XSS)
        history = root.client.get(page_url(job).replace("/change/", "/history/"))
        assert XSS not in history.content.decode()
        assert "&lt;script&gt;" in history.content.decode()
        assert XSS not in root.page(job)


class TestRequeue:
    def test_gives_a_stuck_job_a_new_attempt(self, root, job, user):
        response = root.act("requeue", job, reason=REASON)
        job.refresh_from_db()
        assert (job.attempt.number, job.attempt.state) == (2, AttemptState.QUEUED)
        assert job.attempts.get(number=1).state == AttemptState.FAILED
        assert balance_of(user) == 95
        assert messages_of(response) == [f"job {job}: Requeued with attempt 2."]
        assert records_of(job) == [(root.user, f"Requeued with attempt 2. Reason: {REASON}")]
        output = event_of(job, "requeued").data
        assert output == {"status": "processing", "by": f"staff:{root.user.pk}", "reason": REASON}

    def test_of_an_ended_job_is_refused(self, root, completed):
        response = root.act("requeue", completed, reason=REASON)
        assert messages_of(response) == [
            f"job {completed}: {lifecycle.JobFinishedProblem.default_detail}"
        ]
        assert completed.attempts.count() == 1

    def test_of_a_result_being_delivered_is_refused(self, root, make_job):
        job = make_job()
        bring_to(job, AttemptState.COLLECTING)
        response = root.act("requeue", job, reason=REASON)
        assert messages_of(response) == [
            f"job {job}: {lifecycle.JobFinishedProblem.default_detail}"
        ]

    @pytest.mark.parametrize("action", ["requeue", "run_again"])
    def test_of_a_feature_that_is_gone_is_refused(self, root, job, completed, action):
        target = job if action == "requeue" else completed
        Job.objects.filter(pk=target.pk).update(type="hologram")
        response = root.act(action, target, reason=REASON, price="house")
        assert messages_of(response) == [
            f"job hologram {target.pk}: This feature is no longer offered."
        ]


class TestRunAgain:
    def again(self, job):
        return Job.objects.get(retry_of=job)

    def test_charged(self, root, completed, user):
        response = root.act("run_again", completed, reason=REASON, price="charged")
        again = self.again(completed)
        assert again.status == JobStatus.PENDING
        assert again.input_params == completed.input_params
        assert (again.credits_cost, balance_of(user)) == (5, 90)
        done = f"Run again as job {again.pk}, at a price of 5."
        assert messages_of(response) == [f"job {completed}: {done}"]
        assert records_of(completed) == [(root.user, f"{done} Reason: {REASON}")]
        assert records_of(again) == [
            (root.user, f"Runs job {completed.pk} again, at a price of 5. Reason: {REASON}")
        ]
        assert event_of(again, "requested").data["by"] == f"staff:{root.user.pk}"

    def test_on_the_house(self, root, completed, user):
        response = root.act("run_again", completed, reason=REASON, price="house")
        again = self.again(completed)
        assert (again.credits_cost, balance_of(user)) == (0, 95)
        assert not CreditTransaction.objects.filter(job=again).exists()
        assert messages_of(response) == [
            f"job {completed}: Run again as job {again.pk}, on the house."
        ]

    def test_both_jobs_lead_to_each_other(self, root, completed):
        root.act("run_again", completed, reason=REASON, price="house")
        again = self.again(completed)
        assert f'href="{page_url(again)}"' in root.page(completed)
        assert f'href="{page_url(completed)}"' in root.page(again)

    def test_must_be_told_who_pays(self, root, completed):
        assert root.act("run_again", completed, reason=REASON).status_code == 400
        assert not Job.objects.filter(retry_of=completed).exists()

    def test_without_credits_is_refused_and_leaves_nothing(self, root, make_user, make_job):
        job = make_job(make_user(balance=5), minutes=10)
        bring_to(job, AttemptState.COMPLETED)
        response = root.act("run_again", job, reason=REASON, price="charged")
        assert messages_of(response) == [
            f"job {job}: There are not enough credits for this. Buy more, or reduce the request. "
            "(balance 0, required 5)"
        ]
        assert not Job.objects.filter(retry_of=job).exists()
        assert records_of(job) == []

    def test_of_an_open_job_is_refused(self, root, job):
        response = root.act("run_again", job, reason=REASON, price="house")
        assert "has not ended" in messages_of(response)[0]
        assert not Job.objects.filter(retry_of=job).exists()


class TestWhoAndHowMany:
    def test_who_may_only_see_cannot_act(self, viewer, job):
        viewer.act("cancel", job, reason=REASON)
        job.refresh_from_db()
        assert job.status == JobStatus.PROCESSING
        assert records_of(job) == []

    def test_who_may_change_jobs_can(self, staff_with, job):
        browser = staff_with("jobs.view_job", "jobs.change_job")
        assert 'value="requeue"' in browser.page(job)
        browser.act("cancel", job, reason=REASON)
        job.refresh_from_db()
        assert job.status == JobStatus.CANCELLED

    def test_a_job_offers_what_applies_to_it(self, root, job, completed):
        open_page, ended_page = root.page(job), root.page(completed)
        assert 'value="run_again"' not in open_page
        assert 'value="cancel"' not in ended_page
        assert 'value="run_again"' in ended_page

    @pytest.mark.parametrize(("excess", "asked"), [(0, True), (1, False)])
    def test_an_action_has_a_largest_selection(self, root, make_job, excess, asked):
        first = make_job()
        plain = {
            "user_id": first.user_id,
            "type": first.type,
            "gpu_class": first.gpu_class,
            "credits_cost": 0,
            "start_deadline_at": first.start_deadline_at,
            "wake_at": first.wake_at,
        }
        Job.objects.bulk_create(Job(**plain) for _ in range(MAX_SELECTED - 1 + excess))
        data = {"action": "cancel", "_selected_action": str(first.pk), "select_across": "1"}
        response = root.client.post(list_url(Job), data, follow=True)
        page = response.content.decode()
        assert (f"Select at most {MAX_SELECTED} objects." in page) is not asked

    def test_a_forged_form_does_nothing(self, root, job):
        root.client.handler.enforce_csrf_checks = True
        data = {"action": "cancel", "_selected_action": str(job.pk), "confirmed": "1"}
        response = root.client.post(list_url(Job), {**data, "reason": REASON})
        assert response.status_code == 403
        job.refresh_from_db()
        assert job.status == JobStatus.PROCESSING


def test_data_that_is_no_object_is_shown_too(root, job):
    Job.objects.filter(pk=job.pk).update(input_params=json.loads("[1, null]"))
    assert "null" in root.page(job)


def test_jobs_of_users_that_staff_were_told_of_are_listed(
    root, job, make_job, make_user, monkeypatch
):
    other = make_job(make_user(balance=100))
    RunningCancel.objects.create(job=job, user=job.user, refunded=True)
    assert str(job.pk)[-8:] not in root.list(Job, alert="users")
    monkeypatch.setattr(cancels, "STAFF_ALERT", 1)
    listed = root.list(Job, alert="users")
    assert str(job.pk)[-8:] in listed
    assert str(other.pk)[-8:] not in listed
