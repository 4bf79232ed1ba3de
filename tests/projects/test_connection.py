"""The way to MongoDB: lazy, with indexes, good after a fork."""

import multiprocessing
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, DuplicateKeyError

from projects import connection
from projects.models import Project
from tests.projects.timeline.making import check_stored

pytestmark = pytest.mark.django_db


def test_indexes_are_made_on_first_use(edls: Collection[dict[str, Any]]) -> None:
    indexes = edls.index_information()

    assert indexes["project_id_1"]["unique"] is True
    assert indexes["project_id_1_user_id_1"]["key"] == [("project_id", 1), ("user_id", 1)]


def test_a_project_has_one_document(
    edls: Collection[dict[str, Any]], project: Project, stored: Callable[[Project], dict[str, Any]]
) -> None:
    second = {name: value for name, value in stored(project).items() if name != "_id"}

    with pytest.raises(DuplicateKeyError):
        edls.insert_one(second)


@pytest.mark.usefixtures("edl_store_away")
def test_a_store_away_is_a_connection_failure_and_comes_back() -> None:
    with pytest.raises(ConnectionFailure):
        connection.collection()


def test_times_carry_their_zone(
    project: Project, stored: Callable[[Project], dict[str, Any]]
) -> None:
    assert stored(project)["created_at"].utcoffset().total_seconds() == 0


def test_a_forked_child_makes_its_own_connection(project: Project) -> None:
    connection.register()
    child = multiprocessing.get_context("fork").Process(
        target=_exit_with_number_of_documents, args=(str(project.pk),)
    )

    child.start()
    child.join(60)

    assert child.exitcode == 1
    assert connection.collection().count_documents({"project_id": str(project.pk)}) == 1


def _exit_with_number_of_documents(project_id: str) -> None:
    sys.exit(connection.collection().count_documents({"project_id": project_id}))


def test_a_new_document_passes_its_own_schema(
    project: Project, stored: Callable[[Project], dict[str, Any]]
) -> None:
    check_stored(stored(project))
