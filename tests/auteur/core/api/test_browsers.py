"""Sessions and all that goes with them: around the pages of staff, and nothing else."""

import pytest
from django.conf import settings
from django.test import Client

pytestmark = pytest.mark.django_db


def test_a_form_of_staff_needs_its_token():
    browser = Client(enforce_csrf_checks=True)
    answer = browser.post("/admin/login/", {"username": "a@example.com", "password": "x"})
    assert answer.status_code == 403
    page = browser.get("/admin/login/")
    token = page.cookies[settings.CSRF_COOKIE_NAME].value
    sent = {"username": "a@example.com", "password": "x", "csrfmiddlewaretoken": token}
    assert browser.post("/admin/login/", sent).status_code == 200


def test_a_session_opens_no_endpoint(make_user):
    browser = Client()
    browser.force_login(make_user(is_staff=True, is_superuser=True))
    assert browser.get("/users/me").status_code == 401
    assert not browser.get("/health/live").cookies


@pytest.mark.parametrize("path", ["/health/live", "/docs", "/credits", "/admin/login/", "/nowhere"])
def test_every_answer_has_the_policy(client, path):
    policy = client.get(path)["Content-Security-Policy"]
    assert policy == (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
        "object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
    )
