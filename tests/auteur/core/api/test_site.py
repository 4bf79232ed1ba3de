"""What is open, what browsers are told, and that the API describes itself."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from auteur import health
from auteur.core.api import schema_views


@pytest.fixture
def anyone(db):
    return Client()


@pytest.fixture(autouse=True)
def stores(monkeypatch):
    """A process that has not looked yet."""
    monkeypatch.setattr(health, "stores", health.Stores())
    return health.stores


def test_health(anyone):
    assert anyone.get("/health/live").json() == {"status": "ok"}
    answer = anyone.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["stores"] == {
        "postgres": "ok",
        "mongodb": "ok",
        "storage": "ok",
        "redis": "ok",
    }


def test_not_ready_without_mongodb(anyone, settings):
    settings.MONGODB_URI = "mongodb://127.0.0.1:1"
    answer = anyone.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["stores"]["mongodb"] == "away"


def test_ready_without_redis(anyone, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = anyone.get("/health/ready")
    assert (answer.status_code, answer.json()["stores"]["redis"]) == (200, "away")


def test_stores_are_asked_once_a_second_however_many_ask(anyone, stores, monkeypatch):
    checks = []

    def count() -> dict[str, bool]:
        checks.append(1)
        return check()

    check = health._check_all
    monkeypatch.setattr(health, "_check_all", count)
    gate = threading.Barrier(8)

    def ask(_: int) -> bool:
        gate.wait()
        return all(stores.check().values())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))
    assert [anyone.get("/health/ready").status_code for _ in range(20)] == [200] * 20
    assert len(checks) == 1
    stores._fresh_until = 0.0
    anyone.get("/health/ready")
    assert len(checks) == 2


def test_who_asks_while_another_checks_is_told_what_was_found(anyone, stores):
    result = stores.check()
    with stores._lock:
        assert stores.check() == result


def without_token(answer):
    """Its text, but for the token that is drawn for forms and belongs to nobody here."""
    return re.sub(rb"[A-Za-z0-9]{64}", b"", answer.content)


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/schema", "application/vnd.oai.openapi"),
        ("/schema", "application/json"),
        ("/docs", "text/html"),
        ("/docs?script=", "*/*"),
    ],
)
def test_the_description_is_made_once_and_is_what_it_would_be(anyone, path, accept, monkeypatch):
    view = SpectacularAPIView if path == "/schema" else SpectacularSwaggerSplitView
    plain = view.as_view(
        throttle_classes=[], **({} if path == "/schema" else {"url_self": "/docs"})
    )
    result = plain(RequestFactory().get(path, headers={"Accept": accept})).render()
    monkeypatch.setattr(schema_views._CachedView, "_cache", {})
    anyone.cookies["csrftoken"] = "c" * 32
    poison = {"lang": "de", "version": "poison", **({"script": ""} if "script" in path else {})}
    anyone.get(path.partition("?")[0], poison, headers={"Accept": accept})
    first = anyone.get(path, headers={"Accept": accept})
    assert without_token(first) == without_token(result)
    assert not first.cookies
    for name in {"Content-Type", "Content-Disposition"} & set(result.headers):
        assert first[name] == result[name]
    for forbidden in (SpectacularAPIView, SpectacularSwaggerSplitView):
        monkeypatch.setattr(forbidden, "get", None)
    assert anyone.get(path, headers={"Accept": accept}).content == first.content
    known = {"Accept": accept, "If-None-Match": first["ETag"]}
    again = anyone.get(path, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert anyone.get(path, headers=known | {"If-None-Match": '"other"'}).status_code == 200


def test_the_schema_is_openapi_3_1_and_names_every_endpoint(anyone):
    schema = anyone.get("/schema", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    assert schema["openapi"] == "3.1.0"
    assert {
        "/auth/verify",
        "/users/me",
        "/credits",
        "/credits/history",
        "/projects",
        "/projects/{project_id}",
        "/projects/{project_id}/media/upload-url",
        "/projects/{project_id}/media/import",
        "/jobs",
        "/jobs/{job_id}",
        "/jobs/{job_id}/cancel",
        "/jobs/transcription",
    } <= set(schema["paths"])
    assert not {"/schema", "/docs"} & set(schema["paths"])
    submit = schema["paths"]["/jobs/transcription"]["post"]
    body = submit["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    parameters = schema["components"]["schemas"][body.rsplit("/", 1)[-1]]
    assert parameters["properties"]["media_id"]["format"] == "uuid"
    assert parameters["required"] == ["media_id"]
    for path in schema["paths"].values():
        for operation in path.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_the_docs_load_nothing_from_elsewhere(anyone):
    answer = anyone.get("/docs")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "https://" not in page
    assert "http://" not in page


def test_the_admin_is_found_without_its_slash(anyone):
    answer = anyone.get("/admin")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_security_headers(anyone):
    answer = anyone.get("/health/live")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert answer["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        (settings.PUBLIC_URL, True),
        ("https://evil.example", False),
        ("null", False),
    ],
)
def test_cors_is_for_the_editor_only(anyone, origin, allowed):
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answer = anyone.options("/jobs/transcription", headers=asked)
    assert answer.get("Access-Control-Allow-Origin") == (origin if allowed else None)


def test_what_clients_read_of_an_answer_is_shown_to_pages_of_other_origins(anyone):
    answer = anyone.get("/health/live", headers={"Origin": "http://localhost:3000"})
    output = set(answer["Access-Control-Expose-Headers"].split(", "))
    assert output >= {"etag", "location", "ratelimit", "retry-after", "x-request-id"}


@pytest.mark.parametrize(
    "path", ["/jobs", "/projects", "/media", "/credits", "/credits/history", "/users/me"]
)
def test_what_is_a_users_needs_a_token(anyone, path):
    assert anyone.get(path).status_code == 401


@pytest.mark.parametrize("path", ["/jobs", "/projects", "/media", "/voices", "/credits/history"])
def test_every_list_refuses_a_page_that_is_none(api, path):
    answer = api.get(path, {"limit": 0})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_limit")
