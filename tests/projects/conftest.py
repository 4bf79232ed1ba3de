"""Fixtures of the project tests: an EDL store of their own, one that is away, a project."""

import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import override_settings
from pymongo import MongoClient
from pymongo.collection import Collection

from accounts.models import User
from projects import authoring, connection
from projects.models import Project


@pytest.fixture(scope="session", autouse=True)
def edl_database() -> Iterator[str]:
    """A database in the MongoDB of the settings, dropped after the run."""
    name = f"test_projects_{uuid.uuid4().hex}"
    with override_settings(MONGODB_DATABASE=name):
        connection.register()
        yield name
        client: MongoClient[dict[str, Any]] = connection.collection().database.client
        client.drop_database(name)
    connection.register()


@pytest.fixture
def edls(edl_database: str) -> Collection[dict[str, Any]]:
    """The stored documents."""
    return connection.collection()


@pytest.fixture
def edl_store_away(settings: Any) -> Iterator[None]:
    """MongoDB is not there: nobody listens on its port."""
    before = (settings.MONGODB_URI, settings.MONGODB_TIMEOUT_MS)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.MONGODB_URI = f"mongodb://127.0.0.1:{unused.getsockname()[1]}"
    settings.MONGODB_TIMEOUT_MS = 200
    connection.register()
    yield
    settings.MONGODB_URI, settings.MONGODB_TIMEOUT_MS = before
    connection.register()


@pytest.fixture
def project(user: User) -> Project:
    """A project of ``user`` with its EDL."""
    return authoring.create_project(user_id=user.pk, fields={"name": "Harbour"})


@pytest.fixture
def stored(edls: Collection[dict[str, Any]]) -> Callable[[Project], dict[str, Any]]:
    """A project's document as it lies in the store."""

    def document(project: Project) -> dict[str, Any]:
        one_value = edls.find_one({"project_id": str(project.pk), "user_id": str(project.user_id)})
        assert one_value is not None
        return one_value

    return document
