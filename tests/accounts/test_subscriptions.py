"""Plans: one at most, and only while its period runs."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Plan, Subscription, SubscriptionStatus, User
from accounts.subscriptions import set_plan
from credits.models import Credits

pytestmark = pytest.mark.django_db


def statuses(user: User) -> list[tuple[str, str]]:
    rows = Subscription.objects.filter(user=user).order_by("current_period_start")
    return list(rows.values_list("plan", "status"))


def plan_in_force(user: User) -> str | None:
    """By the subscription, as the profile and the admin tell it; `User.plan` is the same."""
    return user.subscription.plan if user.subscription else None


def test_nobody_has_a_plan_to_begin_with(user: User) -> None:
    assert plan_in_force(user) is user.plan is None


def test_a_new_plan_ends_the_one_before(user: User) -> None:
    set_plan(user_id=user.pk, plan=Plan.STARTER)
    assert plan_in_force(user) == user.plan == "starter"
    set_plan(user_id=user.pk, plan=Plan.PRO, stripe_subscription_id="sub_1")
    assert plan_in_force(user) == user.plan == "pro"
    assert statuses(user) == [("starter", "cancelled"), ("pro", "active")]
    assert set_plan(user_id=user.pk, plan=None) is None
    assert plan_in_force(user) is user.plan is None
    assert statuses(user) == [("starter", "cancelled"), ("pro", "cancelled")]


def test_a_plan_counts_until_its_period_ends(user: User) -> None:
    set_plan(user_id=user.pk, plan=Plan.PRO, period_end=timezone.now() + timedelta(minutes=1))
    assert plan_in_force(user) == user.plan == "pro"
    Subscription.objects.update(current_period_end=timezone.now() - timedelta(seconds=1))
    assert plan_in_force(user) is user.plan is None
    set_plan(user_id=user.pk, plan=Plan.STARTER)
    assert statuses(user) == [("pro", "expired"), ("starter", "active")]


def test_an_ended_plan_does_not_count(user: User) -> None:
    for status in (SubscriptionStatus.CANCELLED, SubscriptionStatus.EXPIRED):
        Subscription.objects.create(user=user, plan=Plan.PRO, status=status)
    assert plan_in_force(user) is user.plan is None


def test_another_users_plan_is_left_alone(user: User) -> None:
    other = User.objects.create(email="other@example.com")
    set_plan(user_id=other.pk, plan=Plan.PRO)
    set_plan(user_id=user.pk, plan=Plan.STARTER)
    assert (plan_in_force(other), plan_in_force(user)) == ("pro", "starter")


def test_a_user_who_is_not_there_gets_no_plan() -> None:
    with pytest.raises(User.DoesNotExist):
        set_plan(user_id=uuid.uuid4(), plan=Plan.PRO)


@pytest.mark.django_db(transaction=True)
def test_concurrent_changes_leave_one_plan() -> None:
    user = User.objects.create(email="ann@example.com")
    Credits.objects.create(user=user)
    failures: list[Exception] = []
    gate = threading.Barrier(6)

    def change(plan: Plan) -> None:
        connection.ensure_connection()
        gate.wait()
        try:
            set_plan(user_id=user.pk, plan=plan)
        except Exception as exc:  # noqa: BLE001 (any is a failure of the test)
            failures.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=change, args=(p,)) for p in (Plan.PRO, Plan.STARTER) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    result = [status for _, status in statuses(user)]
    assert sorted(result) == ["active"] + ["cancelled"] * 5


def test_the_same_subscription_at_stripe_goes_on(user):
    def pay(plan, months, subscription="sub_1"):
        end = timezone.now() + timedelta(days=30 * months)
        return set_plan(
            user_id=user.pk, plan=plan, period_end=end, stripe_subscription_id=subscription
        )

    first = pay(Plan.STARTER, 1)
    assert pay(Plan.STARTER, 2).pk == first.pk
    assert user.subscription.current_period_end > timezone.now() + timedelta(days=59)
    assert pay(Plan.PRO, 2).pk != first.pk
    assert (
        pay(Plan.PRO, 2, "sub_2").pk
        != user.subscriptions.get(stripe_subscription_id="sub_1", plan="pro").pk
    )
    assert user.subscriptions.filter(status="active").count() == 1
