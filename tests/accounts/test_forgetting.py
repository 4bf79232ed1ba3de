"""Nothing of a person is left where we store anything, but in the ledger.

Tables, columns and what is kept are read from models and catalogue: whoever adds a table says in
its room what it holds of people (`auteur.core.personal_data`), or here that it holds nothing.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models.functions import Now
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from accounts.closing import worker
from accounts.models import AccountClosing, ClosingStatus, User
from auteur.core.personal_data import list_sources
from credits.models import CreditTransaction
from media import orphans
from media.storage import object_storage
from projects import edl
from projects.connection import collection
from projects.models import Project
from tests.accounts.columns import (
    BOOKS,
    IMPERSONAL_TABLES,
    all_tables,
    models,
    personal_columns,
)
from tests.accounts.marking import MARK, Marked, where_it_is_left

pytestmark = pytest.mark.django_db

Forget = Callable[[User], None]
NOT_MARKED = {"django_session"}
"""What a session holds is signed: the test looks whether there is one."""


@pytest.fixture
def forget(
    client_of: Callable[[User], APIClient],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Forget:
    """Close an account, and let its time come."""

    def close(user: User) -> None:
        closed = client_of(User.objects.get(pk=user.pk)).delete("/users/me")
        assert closed.status_code == 202, closed.content
        User.objects.filter(pk=user.pk).update(closing_at=Now())
        with django_capture_on_commit_callbacks(execute=True):
            worker.run_closing(AccountClosing.objects.get(user=user).pk)

    return close


@pytest.fixture
def marked(user: User) -> Marked:
    """``user`` with a mark in every table, in MongoDB and in the storage."""
    marked = Marked(user)
    project = marked.rows["projects.Project"]
    assert isinstance(project, Project)
    edl.create_document(project)
    mine = {"project_id": str(project.pk)}
    collection().update_one(mine, {"$set": {"tracks": [{"name": MARK}]}})
    for room in ("media", "voices", "jobs", "renders", "exports"):
        key = f"users/{user.pk}/{room}/{project.pk}/{MARK}"
        object_storage().write(key, MARK.encode(), "text/plain")
    _write_log(user, marked)
    session = Session.objects.create(
        session_key="s" * 32,
        session_data=SessionStore().encode({"_auth_user_id": str(user.pk)}),
        expire_date="2100-01-01T00:00:00Z",
    )
    assert session.get_decoded()["_auth_user_id"] == str(user.pk)
    return marked


def _write_log(user: User, marked: Marked) -> None:
    about = [user, marked.rows["media.MediaFile"], marked.rows["jobs.Job"]]
    for row in about:
        LogEntry.objects.create(
            user=user,
            content_type=ContentType.objects.get_for_model(type(row)),
            object_id=str(row.pk),
            object_repr=MARK,
            action_flag=CHANGE,
            change_message=f"Reason: {MARK}",
        )


def left_in_objects() -> list[str]:
    """Keys of objects that hold the mark, or are named by it."""
    storage = object_storage()
    return [
        one.key
        for page in orphans.iterate_pages()
        for one in page
        if MARK in one.key or MARK.encode() in storage.read(one.key, one.size_bytes)
    ]


def left_in_documents() -> int:
    database = collection().database
    return sum(
        MARK in json.dumps(document, default=str)
        for name in database.list_collection_names()
        for document in database[name].find()
    )


def test_every_table_is_somebodys_or_says_nothing_of_anybody() -> None:
    result = {
        apps.get_model(label)._meta.db_table
        for holding in list_sources()
        for label in holding.owners
    }
    assert not result & IMPERSONAL_TABLES
    assert all_tables() == result | IMPERSONAL_TABLES


def test_nothing_is_left(marked: Marked, user: User, forget: Forget) -> None:
    for model in models():
        table = model._meta.db_table
        if set(personal_columns(model)) - BOOKS.get(table, set()) and table not in NOT_MARKED:
            assert where_it_is_left(table), f"no row of {table} was marked"
    assert len(left_in_objects()) == 5
    assert left_in_documents() == 1
    ledger = list(CreditTransaction.objects.filter(user=user).values())

    forget(user)

    remaining = {table: where_it_is_left(table) for table in all_tables()}
    assert {table: count for table, count in remaining.items() if count} == {}
    assert left_in_objects() == []
    assert left_in_documents() == 0
    assert not Session.objects.exists()
    assert list(CreditTransaction.objects.filter(user=user).values()) == ledger
    assert AccountClosing.objects.get(user=user).status == ClosingStatus.DONE
    gone = User.objects.get(pk=user.pk)
    assert (gone.email, gone.name, gone.is_active) == (f"{user.pk}@deleted.invalid", "", False)


def test_others_stay_as_they_are(
    marked: Marked, make_user: Callable[..., User], forget: Forget
) -> None:
    other = make_user(balance=5)
    project = Project.objects.create(user=other, name="Theirs")
    edl.create_document(project)
    object_storage().write(f"users/{other.pk}/media/x/source", b"theirs", "text/plain")
    entry = LogEntry.objects.create(
        user=other,
        content_type=ContentType.objects.get_for_model(Project),
        object_id=str(project.pk),
        object_repr="Theirs",
        action_flag=CHANGE,
        change_message="Changed",
    )

    forget(marked.user)

    assert edl.read_edl(project_id=project.pk, user_id=other.pk)["version"] == 1
    assert object_storage().read(f"users/{other.pk}/media/x/source", 10) == b"theirs"
    entry.refresh_from_db()
    assert (entry.object_repr, entry.change_message) == ("Theirs", "Changed")


def test_books_are_the_ledger_payments_and_the_record_of_staff() -> None:
    ledger = {model._meta.db_table for model in apps.get_app_config("credits").get_models()}
    payments = {"billing_customers", "billing_events", "billing_payments", "top_ups"}
    assert set(BOOKS) <= ledger | payments | {"staff_events"}


def test_it_goes_on_where_a_worker_was_killed(
    marked: Marked,
    user: User,
    client_of: Callable[[User], APIClient],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """After each step once; the next worker begins again, and comes to the end."""

    class KilledError(BaseException):
        pass

    client_of(User.objects.get(pk=user.pk)).delete("/users/me")
    User.objects.filter(pk=user.pk).update(closing_at=Now())
    closing = AccountClosing.objects.get(user=user)
    renew: Any = worker.Lease.renew
    steps = 0

    def dies(lease: Any, **result: Any) -> None:
        nonlocal steps
        renew(lease, **result)
        steps += 1
        if steps in (3, 9, 16, 24):
            raise KilledError

    monkeypatch.setattr(worker.Lease, "renew", dies)
    lives = 0
    while AccountClosing.objects.get(user=user).status != ClosingStatus.DONE:
        lives += 1
        assert lives < 10
        with django_capture_on_commit_callbacks(execute=True):
            try:
                worker.run_closing(closing.pk)
            except KilledError:
                # The lease ends.
                worker.CLOSINGS.requeue(worker.CLOSINGS.list_claimed_rows(), worker.AGAIN_AFTER * 0)
    assert lives > 3
    assert not any(where_it_is_left(table) for table in all_tables())
    assert left_in_objects() == []
