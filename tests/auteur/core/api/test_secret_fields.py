"""Secrets in answers are declared, and none of them is stored in plain."""

import importlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.urls import get_resolver
from psycopg import sql
from rest_framework import serializers
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.api.models import IdempotencyKey
from auteur.core.api.secret_fields import (
    OneTimeSecret,
    OneTimeSecretField,
    SealedSecret,
    SecretMethodField,
    SecretURLField,
    has_secret,
    redact,
)
from auteur.devstack.contract import FILE
from media.models import MediaFile
from media.serializers import SignedUrlField
from projects.models import Project

pytestmark = pytest.mark.django_db

ROOMS = {"accounts", "auteur", "credits", "jobs", "media", "projects"}
DECLARED = (SecretURLField, SecretMethodField, OneTimeSecretField, SignedUrlField)
SUSPICIOUS = re.compile(r"secret|^key$|password|token|(^|_)url$")
OF_THE_CALLER = {
    "avatar_url",  # of a user, on the public internet
    "callback_url",
    "url",  # of an endpoint, a delivery or an import: what the user typed, without its query
}


def serializer_classes(base: Any = serializers.Serializer) -> Iterator[Any]:
    for cls in base.__subclasses__():
        if cls.__module__.split(".")[0] in {
            "accounts",
            "auteur",
            "credits",
            "jobs",
            "media",
            "projects",
        }:
            yield cls
        yield from serializer_classes(cls)


def test_every_field_that_looks_like_a_secret_is_declared_as_one() -> None:
    get_resolver().url_patterns  # noqa: B018 - have all views imported
    undeclared = {
        f"{cls.__name__}.{name}"
        for cls in serializer_classes()
        if not issubclass(cls, serializers.ModelSerializer) or hasattr(cls, "Meta")
        for name, field in cls().fields.items()
        if SUSPICIOUS.search(name)
        and name not in OF_THE_CALLER
        and f"{cls.__name__}.{name}" != "RemovalSerializer.key"  # of an object in the storage
        and not field.write_only
        and isinstance(field, serializers.CharField | serializers.SerializerMethodField)
        and not isinstance(field, DECLARED)
    }
    assert undeclared == set()


def test_a_secret_is_found_and_redacted_wherever_it_is() -> None:
    answer = {"a": [{"b": (OneTimeSecret("x"),)}, 1, None], "c": SealedSecret("y"), "d": "z"}
    assert has_secret(answer)
    assert redact(answer, OneTimeSecret) == {"a": [{"b": [None]}, 1, None], "c": "y", "d": "z"}
    assert redact(answer, OneTimeSecret, SealedSecret) == {
        "a": [{"b": [None]}, 1, None],
        "c": None,
        "d": "z",
    }
    assert not has_secret({"a": ["x", 1, {}]})


@pytest.fixture
def project(user: User) -> Project:
    return Project.objects.create(user=user, name="Film")


@pytest.fixture
def shown(
    api: APIClient, user: User, project: Project, make_media: Callable[..., MediaFile]
) -> str:
    """Ask for every secret that there is, each by an `Idempotency-Key`; return all answers."""
    project.thumbnail_r2_key = make_media().r2_key
    project.save()
    upload = {"filename": "a.mp4", "content_type": "video/mp4"}
    large = {**upload, "size_bytes": 300 * 1024**2}
    voice = {"name": "Mine", "content_type": "audio/wav", "consent": True}
    endpoint = {"url": "https://example.com/hook"}
    asked: list[tuple[str, str, Any]] = [
        ("post", "/webhooks", endpoint),
        ("post", "/api-keys", {"name": "Mine", "scopes": ["read"]}),
        ("post", f"/projects/{project.pk}/media/upload-url", upload),
        ("post", f"/projects/{project.pk}/media/upload-url", large),
        ("post", "/voices", voice),
        ("post", f"/projects/{project.pk}/copies", {"name": "Copy"}),
        ("post", "/jobs/noop", {}),
        ("get", "/webhooks/callback-secret", None),
        ("get", f"/media/{make_media().pk}", None),
        ("get", f"/projects/{project.pk}", None),
    ]
    answers = []
    for method, path, body in asked:
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "post" else {}
        answer = getattr(api, method)(path, body, format="json", headers=headers)
        assert answer.status_code < 300, (path, answer.content)
        answers.append(answer.content.decode())
    for endpoint_id in (
        re.search(r'"id": ?"([^"]+)"', answers[0])[1],
        re.search(r'"id": ?"([^"]+)"', answers[7])[1],
    ):
        rotated = api.post(
            f"/webhooks/{endpoint_id}/rotate", headers={"Idempotency-Key": str(uuid.uuid4())}
        )
        assert rotated.status_code == 200
        answers.append(rotated.content.decode())
    return "\n".join(answers)


def secrets_in(text: str) -> set[str]:
    result = set(re.findall(r"whsec_[\w+/=-]+|auteur_[\w-]{30,}", text))
    return result | set(re.findall(r"[?&]signature=([\w%.-]+)", text.replace("\\u0026", "&")))


def test_no_secret_that_was_shown_is_in_plain_in_any_column(shown: str) -> None:
    secrets = secrets_in(shown)
    kinds = {secret.partition("_")[0] for secret in secrets if "_" in secret}
    assert {"whsec", "auteur"} <= kinds
    assert len(secrets) >= 8
    with connection.cursor() as cursor:
        for model in apps.get_models():
            table = sql.Identifier(model._meta.db_table)
            cursor.execute(sql.SQL("SELECT row_to_json(kept)::text FROM {} kept").format(table))
            rows = "\n".join(row for (row,) in cursor.fetchall())
            for secret in secrets:
                assert secret not in rows, f"{model._meta.db_table} has {secret[:8]}…"
                assert secret.encode().hex() not in rows, f"{model._meta.db_table} in bytes"


def test_the_catalogue_has_no_column_without_a_model() -> None:
    """So the search above has looked at every table that holds data of ours."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
    known = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    assert tables - known <= {"django_migrations"}


def test_operations_with_a_key_answer_declared_secrets_only() -> None:
    """Every operation that takes the header and answers a URL or a secret is in `shown`."""
    document = json.loads(FILE.read_text())
    schemas = document["components"]["schemas"]
    operations = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names = {parameter["name"] for parameter in operation.get("parameters", ())}
            if "Idempotency-Key" not in names:
                continue
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    content = response.get("content", {}).get("application/json", {})
                    if SUSPICIOUS_OF_ANSWERS & properties(
                        content.get("schema", {}), schemas, set()
                    ):
                        operations.add(f"{method.upper()} {path}")
    assert operations == EXPECTED


SUSPICIOUS_OF_ANSWERS = {
    "secret",
    "key",
    "upload_url",
    "download_url",
    "thumbnail_url",
    "preview_url",
}
EXPECTED = {
    "POST /api-keys",
    "POST /projects",
    "POST /projects/{project_id}/copies",
    "POST /projects/{project_id}/media/import",
    "POST /projects/{project_id}/media/upload-url",
    "POST /users/me/export",
    "POST /voices",
    "POST /webhooks",
    "POST /webhooks/{endpoint_id}/rotate",
}


def properties(schema: Any, schemas: Any, seen: set[str]) -> set[str]:
    names: set[str] = set()
    if isinstance(schema, dict):
        reference = schema.get("$ref", "").rpartition("/")[2]
        if reference and reference not in seen:
            seen.add(reference)
            names |= properties(schemas[reference], schemas, seen)
        names |= set(schema.get("properties", ()))
        for value in schema.values():
            names |= properties(value, schemas, seen)
    elif isinstance(schema, list):
        for value in schema:
            names |= properties(value, schemas, seen)
    return names


class TestRepeated:
    def test_signed_urls_and_secrets_of_webhooks_are_repeated(
        self, api: APIClient, project: Project
    ) -> None:
        path = f"/projects/{project.pk}/media/upload-url"
        upload = {"filename": "a.mp4", "content_type": "video/mp4"}
        first, again = (
            api.post(path, upload, format="json", headers={"Idempotency-Key": "upload"})
            for _ in range(2)
        )
        assert again.content == first.content
        first, again = (
            api.post(
                "/webhooks",
                {"url": "https://example.com"},
                format="json",
                headers={"Idempotency-Key": "endpoint"},
            )
            for _ in range(2)
        )
        assert again.content == first.content
        assert first.json()["secret"].startswith("whsec_")

    def test_without_the_key_of_its_encryption_an_answer_has_no_signed_url(
        self, api: APIClient, project: Project, settings: Any
    ) -> None:
        path = f"/projects/{project.pk}/media/upload-url"
        upload = {"filename": "a.mp4", "content_type": "video/mp4"}
        headers = {"Idempotency-Key": "upload"}
        first = api.post(path, upload, format="json", headers=headers)
        settings.SECRET_KEY = "another" * 10
        again = api.post(path, upload, format="json", headers=headers)
        assert (again.status_code, again["Idempotency-Replayed"]) == (201, "true")
        assert again.json() == {**first.json(), "upload_url": None}
        assert IdempotencyKey.objects.get().sealed_body


def test_secrets_that_were_stored_before_are_removed(user: User) -> None:
    redact_answers = importlib.import_module("auteur.core.api.migrations.0004_redact_answers")
    body = '{"id":"1","secret":"whsec_ab+/c=","url":"https://whsec_.example"}'
    row = IdempotencyKey.objects.create(user=user, key="k", request_hash="", body=body)
    with connection.cursor() as cursor:
        cursor.execute(redact_answers.REDACT)
    row.refresh_from_db()
    assert row.body == '{"id":"1","secret":null,"url":"https://whsec_.example"}'
