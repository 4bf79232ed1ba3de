"""The command: silent figures and 0 in order, what is off and 1 otherwise."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models import F

from credits.models import Credits
from jobs.audit import ledger_audit
from jobs.models import Job
from tests.credits.books import stop_comparing_books

pytestmark = pytest.mark.django_db(transaction=True)


def verify(*arguments: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    out = StringIO()
    try:
        call_command("ledger_verify", *arguments, stdout=out)
    except SystemExit as exc:
        return int(exc.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def overcharged(make_job) -> Job:
    """A job whose price is not what its user paid."""
    job: Job = make_job(minutes=10)
    Job.objects.filter(pk=job.pk).update(credits_cost=6)
    return job


def test_in_order(make_job):
    make_job(minutes=10)
    code, printed = verify()
    figures, verdict = printed.splitlines()
    assert code == 0
    assert "1 accounts (95 credits), 2 ledger rows and 1 jobs" in figures
    assert verdict == "Everything adds up."


def test_what_is_off_is_named_and_summed_up(overcharged, user):
    stop_comparing_books()
    Credits.objects.filter(user=user).update(seq=F("seq") + 1)
    code, printed = verify()
    assert code == 1
    first, second, _, verdict = printed.splitlines()
    assert first == f"seq_is_the_last: account of {user.pk}: expected 2, found 3"
    assert second == (
        f"usage_is_the_price: account of {user.pk}, job {overcharged.pk}: expected 6, found 5"
    )
    assert verdict == "OFF: seq_is_the_last 1, usage_is_the_price 1"


def test_json_in_order(make_job):
    make_job(minutes=10)
    code, printed = verify("--json")
    report = json.loads(printed)
    assert code == 0
    assert (report["ok"], report["findings"], report["balance"]) == (True, [], 95)
    assert report["broken"] == dict.fromkeys(ledger_audit.RULES, 0)


def test_json_of_what_is_off(overcharged, user):
    code, printed = verify("--json")
    report = json.loads(printed)
    assert (code, report["ok"], report["broken"]["usage_is_the_price"]) == (1, False, 1)
    assert report["findings"] == [
        {
            "rule": "usage_is_the_price",
            "user_id": str(user.pk),
            "job_id": str(overcharged.pk),
            "expected": "6",
            "found": "5",
        }
    ]


def test_what_is_not_named_is_counted(make_job):
    for _ in range(3):
        make_job(minutes=10)
    Job.objects.update(credits_cost=6)
    code, printed = verify("--limit", "1")
    lines = printed.splitlines()
    assert code == 1
    assert sum(line.startswith("usage_is_the_price:") for line in lines) == 1
    assert lines[1] == "… and 2 more (raise --limit to list them)"
    assert lines[-1] == "OFF: usage_is_the_price 3"


@pytest.mark.parametrize("arguments", [("--limit", "0"), ("--limit", "0", "--json")])
def test_without_names_it_still_fails(overcharged, arguments):
    assert verify(*arguments)[0] == 1
