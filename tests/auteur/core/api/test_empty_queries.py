"""No query parameter of any operation is a fault of ours where it is empty."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from auteur.devstack.contract import FILE
from jobs.models import Job
from media.models import MediaFile
from projects.models import Project
from tests.conftest import bearer

pytestmark = pytest.mark.django_db


def parameters() -> Iterator[tuple[str, str, str]]:
    """Yield method, path and name of every query parameter."""
    for path, methods in json.loads(FILE.read_text())["paths"].items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    yield method, path, parameter["name"]


@pytest.fixture
def path_values(
    api: APIClient, user: User, make_media: Callable[..., MediaFile], make_job: Callable[..., Job]
) -> dict[str, Any]:
    project = Project.objects.create(user=user, name="Film")
    return {
        "project_id": project.pk,
        "media_id": make_media(user, project=project).pk,
        "job_id": make_job(user).pk,
        "endpoint_id": api.get("/webhooks/callback-secret").json()["id"],
    }


def test_an_empty_query_parameter_is_no_fault(user: User, path_values: dict[str, Any]) -> None:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {bearer(user.pk, user.email)}")
    cases = list(parameters())
    assert ("get", "/credits", "at") in cases
    faults = []
    for method, path, name in cases:
        names = [part.partition("}")[0] for part in path.split("{")[1:]]
        address = path.format(**{key: path_values.get(key, uuid.uuid4()) for key in names})
        for query in (f"{name}=", name, f"{name}=&{name}="):
            status = getattr(client, method)(f"{address}?{query}").status_code
            if status >= 500:
                faults.append((status, method, path, query))
    assert faults == []


@pytest.mark.parametrize("query", ["at=", "at", "at=%20", "at=&at="])
def test_a_time_that_is_empty_is_refused(api: APIClient, query: str) -> None:
    answer = api.get(f"/credits?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "at")
