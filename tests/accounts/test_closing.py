"""`DELETE /users/me`, and the thirty days in which one may change one's mind."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import closing
from accounts.closing import worker
from accounts.models import AccountClosing, ClosingStatus, User
from auteur.core import personal_data
from credits import ledger
from jobs.calls.deadlines import DELIVERY_LIMIT
from jobs.models import Attempt, Job
from jobs.orchestrator import repair
from jobs.states import AttemptState, JobStatus
from projects.models import Project
from tests.jobs.walk import bring_to

pytestmark = pytest.mark.django_db

MakeJob = Callable[..., Job]
ClientOf = Callable[[User], APIClient]


def do_what_is_due(user: User) -> None:
    worker.run_closing(AccountClosing.objects.get(user=user).pk)


def let_time_come(user: User) -> None:
    User.objects.filter(pk=user.pk).update(closing_at=Now())
    AccountClosing.objects.filter(user=user).update(due_at=Now())


class TestClosing:
    def test_it_is_told_when_the_account_ends(self, api: APIClient, user: User) -> None:
        assert api.get("/users/me").json()["closing_at"] is None
        closed = api.delete("/users/me")
        assert closed.status_code == 202
        closing_at = closed.json()["closing_at"]
        assert api.get("/users/me").json()["closing_at"] == closing_at
        ends = User.objects.get(pk=user.pk).closing_at
        days = timedelta(days=settings.ACCOUNT_CLOSING_DAYS)
        assert abs(ends - timezone.now() - days) < timedelta(minutes=5)

    def test_asked_twice_it_is_closed_once(self, api: APIClient, user: User) -> None:
        first, second = api.delete("/users/me"), api.delete("/users/me")
        assert first.json() == second.json()
        assert AccountClosing.objects.filter(user=user).count() == 1

    def test_nothing_new_is_taken_and_all_can_be_read(self, api: APIClient, user: User) -> None:
        project = Project.objects.create(user=user, name="Film")
        api.delete("/users/me")
        refused = [
            api.post("/jobs/noop", {"price": 1}, format="json"),
            api.post("/jobs/batch", {"jobs": [{"type": "noop"}]}, format="json"),
            api.post("/projects", {"name": "Another"}, format="json"),
            api.patch("/users/me", {"name": "Ann"}, format="json"),
        ]
        for answer in refused:
            assert (answer.status_code, answer.json()["code"]) == (403, "account_closing")
            assert answer.json()["closing_at"]
        assert ledger.get_balance(user_id=user.pk) == 100
        assert api.post("/auth/verify").status_code == 200
        assert api.get(f"/projects/{project.pk}").status_code == 200
        assert api.delete(f"/projects/{project.pk}").status_code == 204

    def test_open_jobs_are_cancelled_and_refunded(
        self, api: APIClient, user: User, make_job: MakeJob
    ) -> None:
        waiting, running = make_job(), make_job()
        bring_to(running, AttemptState.RUNNING)
        before = ledger.get_balance(user_id=user.pk)
        api.delete("/users/me")
        do_what_is_due(user)

        jobs = Job.objects.filter(user=user)
        assert {job.status for job in jobs} == {JobStatus.CANCELLED}
        cost = waiting.credits_cost + running.credits_cost
        assert ledger.get_balance(user_id=user.pk) == before + cost
        row = AccountClosing.objects.get(user=user)
        assert (row.status, row.tries) == (ClosingStatus.WAITING, 0)
        assert row.due_at == User.objects.get(pk=user.pk).closing_at

    def test_staff_cannot_close_their_account(self, client_of: ClientOf, make_user: Any) -> None:
        staff = make_user(is_staff=True)
        answer = client_of(staff).delete("/users/me")
        assert (answer.status_code, answer.json()["code"]) == (409, "staff_account")
        assert not AccountClosing.objects.exists()


class TestRestoring:
    def test_it_is_as_it_was(self, api: APIClient, user: User) -> None:
        api.delete("/users/me")
        do_what_is_due(user)
        restored = api.post("/users/me/restore")
        assert (restored.status_code, restored.json()["closing_at"]) == (200, None)
        assert not AccountClosing.objects.exists()
        assert api.post("/jobs/noop", {"price": 1}, format="json").status_code == 202

    def test_an_open_account_is_left_as_it_is(self, api: APIClient) -> None:
        before = api.get("/users/me").json()
        assert api.post("/users/me/restore").json() == before

    def test_until_the_last_moment_and_not_after_it(self, api: APIClient, user: User) -> None:
        api.delete("/users/me")
        let_time_come(user)
        assert api.post("/users/me/restore").status_code == 200
        api.delete("/users/me")
        let_time_come(user)
        do_what_is_due(user)
        for answer in (api.get("/users/me"), api.post("/users/me/restore")):
            assert (answer.status_code, answer.json()["code"]) == (403, "account_deleted")

    def test_a_worker_that_has_begun_to_end_things_loses_to_it(
        self, api: APIClient, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        api.delete("/users/me")

        def restores(user_id: uuid.UUID) -> Any:
            yield closing.restore_account(user=user)

        changing_mind = personal_data.PersonalDataSource(
            "late", {}, erase=lambda _: (), close=restores
        )
        monkeypatch.setattr(personal_data, "_sources", [changing_mind])
        do_what_is_due(user)
        assert User.objects.get(pk=user.pk).closing_at is None
        assert User.objects.get(pk=user.pk).is_active


class TestTheEnd:
    def test_the_address_is_free_again_and_the_sign_in_is_not(
        self, api: APIClient, user: User, client_of: ClientOf
    ) -> None:
        api.delete("/users/me")
        let_time_come(user)
        do_what_is_due(user)
        assert api.get("/users/me").json()["code"] == "account_deleted"
        again = client_of(User(id=uuid.uuid4(), email=user.email)).get("/users/me")
        assert (again.status_code, again.json()["email"]) == (200, user.email)

    def test_what_is_being_delivered_is_waited_for(
        self, api: APIClient, user: User, make_job: MakeJob
    ) -> None:
        bring_to(make_job(), AttemptState.FINALIZING)
        api.delete("/users/me")
        let_time_come(user)
        do_what_is_due(user)
        row = AccountClosing.objects.get(user=user)
        assert (row.status, row.tries) == (ClosingStatus.WAITING, 0)
        assert not User.objects.get(pk=user.pk).is_active

    def test_a_result_that_cannot_be_delivered_does_not_keep_it_open(
        self, api: APIClient, user: User, make_job: MakeJob
    ) -> None:
        job = make_job()
        bring_to(job, AttemptState.COLLECTED)
        api.delete("/users/me")
        let_time_come(user)
        do_what_is_due(user)
        closing_of_user = AccountClosing.objects.filter(user=user)
        assert closing_of_user.get().status == ClosingStatus.WAITING

        Attempt.objects.update(reported_at=Now() - DELIVERY_LIMIT)
        Job.objects.update(wake_at=Now())
        repair.reconcile()
        job.refresh_from_db()
        assert (job.status, job.error_code) == (JobStatus.FAILED, "STORAGE_ERROR")
        closing_of_user.update(due_at=Now())
        do_what_is_due(user)
        assert closing_of_user.get().status == ClosingStatus.DONE

    def test_no_try_is_the_last(self, api: APIClient, user: User) -> None:
        api.delete("/users/me")
        row = AccountClosing.objects.get(user=user)
        for _ in range(worker.CLOSINGS.max_tries):
            assert worker.CLOSINGS.claim(row.pk) is not None
            worker.CLOSINGS.requeue(worker.CLOSINGS.list_claimed_rows(), timedelta(0))
        row.refresh_from_db()
        assert (row.status, row.tries) == (ClosingStatus.WAITING, 0)
        assert row.due_at is not None
        assert row.due_at > timezone.now() + worker.AGAIN_AFTER / 2


@pytest.mark.django_db(transaction=True)
def test_two_closings_at_the_same_time_are_one(make_user: Callable[..., User]) -> None:
    user = make_user()
    ends = []

    def close() -> None:
        ends.append(closing.request_closing(user=user))
        connection.close()

    threads = [threading.Thread(target=close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == 4
    assert len(set(ends)) == 1
    assert AccountClosing.objects.count() == 1
