"""Who is let in next: fair turns between users, limits that hold, and what those who wait see."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from gpu_tasks.runtime.contract import GpuClass
from jobs import lifecycle, queries, submission
from jobs.features.registry import get_feature
from jobs.lifecycle import attempts
from jobs.models import Attempt, FairQueueCursor, GpuPool, Job
from jobs.orchestrator import admission
from jobs.states import IN_POOL, AttemptState
from tests.jobs.walk import bring_to

Submit = Callable[..., list[Job]]


@pytest.fixture
def submit(db: None) -> Submit:
    """Jobs of one user, asked for at once."""

    def batch(user: User, count: int = 1, plan: str | None = None) -> list[Job]:
        expected = [{"type": "noop", "price": 0}] * count
        batch_body = submission.submit_batch(user_id=user.pk, plan=plan, items=expected)
        return [Job.objects.get(pk=job.job_id) for job in batch_body.jobs]

    return batch


@pytest.fixture
def room(settings: Any) -> Callable[[int], None]:
    """Sets how many may be in flight."""

    def give(places: int) -> None:
        settings.CPU_LIMIT = places

    return give


def let_in() -> set[User]:
    return {job.user for job in Job.objects.exclude(attempt=None).select_related("user")}


def start_of(job: Job) -> datetime | None:
    return queries.estimate_start(job, queries.compute_queue_position(job))


def end_one() -> None:
    job = Job.objects.exclude(attempt=None).filter(completed_at=None).earliest("rank")
    lifecycle.cancel(job_id=job.pk, by="user")


def test_jobs_of_one_user_take_one_turn_after_another(submit, user):
    assert [job.rank for job in submit(user, 3)] == [0, 1, 2]
    assert [job.rank for job in submit(user, 2)] == [3, 4]


def test_another_user_does_not_wait_behind_them(submit, make_user, room):
    room(2)
    many, few = make_user(), make_user()
    submit(many, 20)
    assert admission.admit_all() == 2
    submit(few)
    for _ in range(2):
        end_one()
        admission.admit_all()
    assert few in let_in()


def test_users_with_many_jobs_each_are_served_alternately(submit, make_user, room):
    room(6)
    first, second, third = make_user(), make_user(), make_user()
    for item in (first, second, third):
        submit(item, 10)
    admission.admit_all()
    admitted = Job.objects.exclude(attempt=None)
    assert [admitted.filter(user=item).count() for item in (first, second, third)] == [2, 2, 2]


def test_who_comes_later_begins_at_the_clock_and_not_at_the_beginning(submit, make_user, room):
    room(5)
    old, new = make_user(), make_user()
    submit(old, 10)
    admission.admit_all()
    assert GpuPool.objects.get(gpu_class="CPU").clock == 4
    assert [job.rank for job in submit(new, 2)] == [4, 5]


@pytest.mark.django_db(transaction=True)
def test_jobs_asked_for_at_the_same_time_take_turns_as_well(submit, user):
    threads = [threading.Thread(target=_submit_and_close, args=(submit, user)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(Job.objects.values_list("rank", flat=True)) == list(range(60))


def _submit_and_close(submit: Submit, user: User) -> None:
    submit(user, 10)
    connections.close_all()


def test_a_refused_submission_takes_no_turn(submit, make_user):
    poor = make_user(balance=0)
    with pytest.raises(Exception, match="credits"):
        submission.submit_batch(user_id=poor.pk, plan=None, items=[{"type": "noop"}])
    assert [job.rank for job in submit(poor)] == [0]


# --- Jobs that end before they are admitted ---------------------------------------------------


def cancel_all(jobs: list[Job]) -> None:
    for job in jobs:
        lifecycle.cancel(job_id=job.pk, by="user")


def rank_of_next(submit: Submit, user: User) -> int:
    [job] = submit(user)
    lifecycle.cancel(job_id=job.pk, by="user")
    return job.rank


@pytest.mark.parametrize("order", [list, reversed])
def test_a_cancelled_batch_costs_its_user_no_turns(submit, make_user, room, order):
    room(1)
    returning, other_items = make_user(), [make_user() for _ in range(4)]
    submit(other_items[0])
    assert admission.admit_all() == 1
    cancel_all(list(order(submit(returning, 30))))
    [job] = submit(returning)
    for other in other_items:
        submit(other, 10)
    later = Job.objects.filter(user__in=other_items, attempt=None)
    while Job.objects.get(pk=job.pk).attempt is None:
        end_one()
        assert admission.admit_all() == 1
    assert 40 - later.count() <= 2 * len(other_items)


def test_a_pending_job_that_expires_costs_its_user_no_turn(submit, user):
    first, second = submit(user, 2)
    lifecycle.expire(job_id=second.pk)
    assert [job.rank for job in submit(user)] == [1]
    lifecycle.expire(job_id=first.pk)
    assert [job.rank for job in submit(user)] == [2], "one still waits at 1"


def test_the_cursor_goes_back_to_the_highest_rank_that_waits_whatever_its_plan(submit, user):
    free, pro = submit(user, 2, plan="free"), submit(user, 2, plan="pro")
    last = submit(user, 2)
    cancel_all(last)
    assert rank_of_next(submit, user) == pro[1].rank + 1
    cancel_all(pro)
    assert rank_of_next(submit, user) == free[1].rank + 1


def test_a_job_that_was_admitted_keeps_its_turn(submit, user, room):
    room(2)
    admitted = submit(user, 2)
    assert admission.admit_all() == 2
    cancel_all(admitted)
    assert [job.rank for job in submit(user)] == [2]


def test_who_cancels_is_never_ahead_of_who_comes_new(submit, make_user, room):
    room(3)
    user, old = make_user(), make_user()
    submit(old, 10)
    assert admission.admit_all() == 3
    for number in (1, 5, 2):
        cancel_all(submit(user, number))
    [cancelled_before], [new] = submit(user), submit(make_user())
    assert cancelled_before.rank >= new.rank


def test_a_cursor_far_behind_the_clock_is_not_raised(submit, user):
    [job] = submit(user)
    GpuPool.objects.update_or_create(gpu_class="CPU", defaults={"clock": 50})
    lifecycle.cancel(job_id=job.pk, by="user")
    assert FairQueueCursor.objects.get(user=user).rank == 0
    assert [job.rank for job in submit(user)] == [50]


def test_many_cancels_look_for_the_last_rank_as_rarely_as_they_can(submit, user):
    jobs = submit(user, 30)
    with CaptureQueriesContext(connection) as queries_:
        cancel_all(jobs)
    lowering = [query for query in queries_ if "fair_queue_cursors SET rank" in query["sql"]]
    assert len(lowering) == 1


@pytest.mark.django_db(transaction=True)
def test_cancels_and_submissions_at_the_same_time_leave_no_turn_taken(submit, user):
    job = submit(user, 2)
    cancelled = submit(user, 40)
    start = threading.Barrier(5)

    def cancel(jobs: list[Job]) -> None:
        start.wait()
        cancel_all(jobs)
        connections.close_all()

    def ask() -> None:
        start.wait()
        for _ in range(5):
            cancel_all(submit(user, 3))
        connections.close_all()

    threads = [threading.Thread(target=cancel, args=(cancelled[n::4],)) for n in range(4)]
    threads.append(threading.Thread(target=ask))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Job.objects.filter(completed_at=None).count() == len(job)
    assert FairQueueCursor.objects.get(user=user).rank == job[-1].rank


# --- Limits -----------------------------------------------------------------------------------


def test_a_user_has_no_more_in_flight_than_the_setting_says(submit, make_user, room, settings):
    settings.MAX_IN_FLIGHT = 2
    room(10)
    greedy, other = make_user(), make_user()
    submit(greedy, 5)
    submit(other, 1)
    while admission.admit_all():
        pass
    assert Job.objects.filter(user=greedy).exclude(attempt=None).count() == 2
    assert other in let_in()
    end_one()
    while admission.admit_all():
        pass
    in_flight = Attempt.objects.filter(state__in=IN_POOL, job__user=greedy)
    assert in_flight.count() == 2


def test_a_plan_may_have_a_limit_of_its_own(submit, make_user, room, settings):
    settings.MAX_IN_FLIGHT = 1
    settings.MAX_IN_FLIGHT_BY_PLAN = {"pro": 3}
    room(10)
    plain, pro = make_user(), make_user()
    submit(plain, 5)
    submit(pro, 5, plan="pro")
    while admission.admit_all():
        pass
    admitted = Job.objects.exclude(attempt=None)
    assert [admitted.filter(user=item).count() for item in (plain, pro)] == [1, 3]


@pytest.mark.django_db(transaction=True)
def test_several_orchestrators_together_keep_the_limit(submit, make_user, room):
    room(7)
    for _ in range(4):
        submit(make_user(), 10)
    start = threading.Barrier(4)

    def orchestrator() -> None:
        start.wait()
        for _ in range(5):
            admission.admit_all()
        connections.close_all()

    threads = [threading.Thread(target=orchestrator) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Attempt.objects.filter(state__in=IN_POOL).count() == 7


# --- What those who wait see ------------------------------------------------------------------


def test_the_place_in_the_queue_is_that_of_the_turns(submit, make_user):
    many, few = make_user(), make_user()
    waiting = submit(many, 3)
    [mine] = submit(few)
    assert [queries.compute_queue_position(job) for job in waiting] == [1, 3, 4]
    assert queries.compute_queue_position(mine) == 2


def test_who_waits_sees_when_it_may_start_and_who_does_not_sees_nothing(submit, user, room):
    room(2)
    jobs = submit(user, 4)
    seconds = get_feature("noop").expected_seconds
    for position, job in enumerate(jobs, 1):
        before = timezone.now()
        start = start_of(job)
        assert start is not None
        wait = timedelta(seconds=seconds * position / 2)
        assert before - timedelta(seconds=1) < start - wait < timezone.now() + timedelta(seconds=1)
    begun = bring_to(jobs[0], AttemptState.RUNNING)
    assert start_of(jobs[0]) is not None
    lifecycle.report_progress(attempt_id=begun.pk, call_id="call-1", progress=0.0)
    jobs[0].refresh_from_db()
    assert start_of(jobs[0]) is None


def test_the_estimate_goes_by_what_the_last_jobs_took(submit, user, room):
    room(1)
    now = timezone.now()
    done = submit(user)[0]
    Job.objects.filter(pk=done.pk).update(status="processing")
    Job.objects.filter(pk=done.pk).update(
        status="completed",
        wake_at=None,
        created_at=now - timedelta(hours=1),
        started_at=now - timedelta(seconds=40),
        completed_at=now,
    )
    [job] = submit(user)
    start = start_of(job)
    assert start is not None
    slack = timedelta(seconds=2)
    assert now - slack < start - timedelta(seconds=40) < timezone.now() + slack


def test_every_class_has_its_own_clock(submit, user):
    GpuPool.objects.create(gpu_class=GpuClass.L4, clock=100)
    assert [job.rank for job in submit(user)] == [0]


def test_a_feature_that_runs_few_at_once_leaves_room_to_others(settings, user):
    settings.INFERENCE_ENGINES = {"noop_gpu": "production", "image_generation": "production"}
    settings.INFERENCE_BACKEND = "modal"
    few = get_feature("image_generation").at_once
    assert few == 10
    picture = {"type": "image_generation", "prompt": "the sea", "width": 256, "height": 256}
    pictures = [picture] * (few + 5)
    submission.submit_batch(user_id=user.pk, plan=None, items=pictures)
    submission.submit_batch(
        user_id=user.pk, plan=None, items=[{"type": "noop_gpu", "price": 0}] * 20
    )
    for _ in range(2):
        admission.admit_all()
    types = [job.type for job in Job.objects.exclude(attempt=None)]
    assert (types.count("image_generation"), types.count("noop_gpu")) == (few, 20)
    lifecycle.cancel(job_id=Job.objects.exclude(attempt=None).earliest("rank").pk, by="user")
    admission.admit_all()
    types = [job.type for job in Job.objects.exclude(attempt=None).filter(completed_at=None)]
    assert types.count("image_generation") == few


def test_a_user_at_the_limit_of_one_plan_goes_on_by_another(submit, user, room, settings):
    settings.MAX_IN_FLIGHT = 1
    settings.MAX_IN_FLIGHT_BY_PLAN = {"pro": 3}
    room(10)
    submit(user, 5, plan="free")
    while admission.admit_all():
        pass
    submit(user, 5, plan="pro")
    while admission.admit_all():
        pass
    admitted = Job.objects.exclude(attempt=None)
    assert [admitted.filter(plan=plan).count() for plan in ("free", "pro")] == [1, 2]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("most", [0, 2])
def test_who_holds_the_first_jobs_keeps_nobody_from_the_next(submit, user, room, settings, most):
    settings.MAX_IN_FLIGHT = most
    room(2)
    jobs = submit(user, 6)
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            claims = [job.pk for job in jobs[:3]]
            cursor.execute("SELECT FROM jobs WHERE id = ANY(%s) FOR UPDATE", [claims])
        assert admission.admit_all() == 2
    finally:
        other.rollback()
        other.close()
    admitted = Job.objects.exclude(attempt=None).values_list("rank", flat=True)
    assert sorted(admitted) == [3, 4]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most", [0, 1, 3])
def test_the_turns_are_those_of_all_that_wait(submit, make_user, room, settings, seed, most):
    """Round by round the same as by looking at every job."""
    chance = random.Random(seed)
    settings.MAX_IN_FLIGHT = most
    users = [make_user() for _ in range(4)]
    room(5)
    for _ in range(8):
        submit(chance.choice(users), chance.randint(1, 6))
        expected = naively_next(most, places=5)
        admission.admit_all()
        admitted = Attempt.objects.filter(state__in=IN_POOL).values_list("job_id", flat=True)
        assert expected <= set(admitted)
        while admission.admit_all():
            pass
        for _ in range(chance.randint(0, 3)):
            if Job.objects.exclude(attempt=None).filter(completed_at=None).exists():
                end_one()


def naively_next(most: int, places: int) -> set[UUID]:
    """Whom one round lets in."""
    in_pool = Attempt.objects.filter(state__in=IN_POOL)
    busy = Counter(in_pool.values_list("job__user_id", flat=True))
    waiting = Job.objects.filter(status="pending", attempt=None).order_by("rank", "created_at")
    fitting = [job for job in waiting if not most or busy[job.user_id] < most]
    chosen = set()
    for job in fitting[: max(0, places - in_pool.count())]:
        if not most or busy[job.user_id] < most:
            busy[job.user_id] += 1
            chosen.add(job.pk)
    return chosen


def test_what_is_full_is_not_read(submit, make_user, room, settings):
    """The statement's plan touches as many rows as there are places, not as wait."""
    settings.MAX_IN_FLIGHT = 1
    room(10)
    many, few = make_user(), make_user()
    submit(many, 1)
    assert admission.admit_all() == 1
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO jobs (user_id, type, gpu_class, rank, media_ids, credits_cost,"
            " price_version, start_deadline_at)"
            " SELECT %s, 'noop', 'CPU', n, '{}', 0, 'x', now() + interval '1 day'"
            " FROM generate_series(1, 20000) AS n",
            [many.pk],
        )
        cursor.execute("ANALYZE jobs")
    submit(few, 1)
    with read_rows() as rows:
        assert admission.admit_all() == 1
    assert few in let_in()
    assert rows() < 200


def insert_waiting(users: Any, ranks: str) -> None:
    """One job of each user and rank (a set in SQL), written at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO jobs (user_id, type, gpu_class, rank, media_ids, credits_cost,"
            " price_version, start_deadline_at)"
            " SELECT user_id, 'noop', 'CPU', n, '{}', 0, 'x', now() + interval '1 day'"
            f" FROM unnest(%s) AS user_id, {ranks} AS n",
            [list(users)],
        )
        cursor.execute("ANALYZE jobs")


def test_users_that_wait_are_not_all_read(submit, make_user, room, settings):
    settings.MAX_IN_FLIGHT = 1
    room(5)
    users = [User(email=f"waiting-{number}@example.com") for number in range(3000)]
    User.objects.bulk_create(users)
    insert_waiting([user.pk for user in users], "generate_series(0, 1)")
    with read_rows() as rows:
        assert admission.admit_all() == 5
    assert len(let_in()) == 5
    assert rows() < 300


@pytest.mark.parametrize(("page", "visited"), [(1000, 100), (10, 5)])
def test_users_behind_a_long_backlog_of_users_at_their_limits_are_reached(
    submit, make_user, room, settings, monkeypatch, page, visited
):
    monkeypatch.setattr(attempts, "CANDIDATE_PAGE", page)
    monkeypatch.setattr(attempts, "CANDIDATE_USERS", visited)
    settings.MAX_IN_FLIGHT = 1
    room(20)
    full, other_items = make_user(), [make_user() for _ in range(12)]
    submit(full)
    assert admission.admit_all() == 1
    insert_waiting([full.pk], "generate_series(1, 200)")
    insert_waiting([first.pk for first in other_items], "generate_series(300, 301)")
    for _ in range(200):
        admission.admit_all()
        if let_in() == {full, *other_items}:
            break
    assert let_in() == {full, *other_items}
    assert Attempt.objects.count() == 13


@contextmanager
def read_rows() -> Iterator[Callable[[], int]]:
    """How many rows of jobs the statements in the block have fetched, in this transaction."""

    def fetched() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
                " WHERE relname = 'jobs'"
            )
            return int(cursor.fetchone()[0])

    before = fetched()
    yield lambda: fetched() - before


@pytest.mark.parametrize("most", [queries.MAX_COUNTED, 8])
def test_a_place_is_exact_or_near(submit, make_user, monkeypatch, most):
    monkeypatch.setattr(queries, "MAX_COUNTED", most)
    chance = random.Random(1)
    users = [make_user() for _ in range(5)]
    for _ in range(12):
        submit(chance.choice(users), chance.randint(1, 4))
    waiting = Job.objects.filter(attempt=None).order_by("rank", "created_at")
    for index, job in enumerate(waiting, 1):
        results = queries.compute_queue_position(job)
        if index <= most:
            assert results == index
        else:
            assert index / 3 < results < index * 3
