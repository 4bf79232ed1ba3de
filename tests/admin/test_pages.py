"""Every page: there for staff, with its data, harmless, and in few queries."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.api_keys import keys
from accounts.api_keys.models import ApiKey
from accounts.models import User
from auteur.core.admin import MAX_JSON_CHARS, pretty_json
from auteur.core.api.scopes import Scope
from credits.models import CreditCorrection, CreditGrant, Credits, CreditTransaction
from jobs.integrations.webhooks import secrets
from jobs.integrations.webhooks.models import WebhookDelivery, WebhookEndpoint
from jobs.models import Job
from jobs.states import AttemptState
from media import imports
from media.consents.models import Consent, ConsentKind
from media.consents.records import record_consent
from media.models import MediaFile, MediaImport, VoiceClone
from projects.models import Project
from tests.admin.conftest import (
    IMPORTED,
    REASON,
    add_webhook,
    list_url,
    messages_of,
    page_url,
    records_of,
)
from tests.jobs.walk import bring_to

MODELS = (
    User,
    Credits,
    CreditTransaction,
    CreditGrant,
    CreditCorrection,
    Project,
    MediaFile,
    MediaImport,
    VoiceClone,
    Consent,
    Job,
    WebhookEndpoint,
    WebhookDelivery,
    ApiKey,
)


def test_every_list_and_page_shows_its_data(root, house, user):
    for obj in house:
        assert f">{user.email}<" in root.list(type(obj))
        assert str(user.email) in root.page(obj)


def test_every_list_and_page_is_there_for_who_may_only_see(viewer, house):
    for obj in house:
        listed, page = viewer.list(type(obj)), viewer.page(obj)
        assert 'name="_save"' not in page
        assert '<select name="action"' not in listed
        assert 'name="action"' not in page


def test_history_pages(root, house):
    for obj in house:
        url = page_url(obj).replace("/change/", "/history/")
        assert root.client.get(url).status_code == 200


def test_strangers_are_asked_to_sign_in(client, house):
    for obj in house:
        for url in (list_url(type(obj)), page_url(obj)):
            response = client.get(url)
            assert response.status_code == 302
            assert response.url.startswith("/admin/login/")


def test_clients_are_no_staff(browser_of, user, house):
    browser = browser_of(user)
    for model in MODELS:
        assert browser.client.get(list_url(model)).status_code == 302


def test_staff_without_permission_see_nothing(staff_with, house):
    browser = staff_with()
    for obj in house:
        assert browser.client.get(list_url(type(obj))).status_code == 403
        assert browser.client.get(page_url(obj)).status_code == 403


def test_nothing_is_added_or_deleted_by_hand(root, house):
    for obj in house:
        assert root.client.get(f"{list_url(type(obj))}add/").status_code == 403
        delete = page_url(obj).replace("/change/", "/delete/")
        assert root.client.post(delete, {"post": "yes"}).status_code == 403
        assert type(obj)._default_manager.filter(pk=obj.pk).exists()
        assert "delete_selected" not in root.list(type(obj))


def test_the_house_has_a_name(root):
    page = root.client.get(reverse("admin:index")).content.decode()
    assert "<title>Administration | Auteur</title>" in page
    assert "Django" not in page


def test_no_script_stands_in_a_page(root, house, job):
    confirming = root.act("cancel", job).content.decode()
    pages = [root.page(obj) for obj in house] + [root.list(model) for model in MODELS]
    for page in [*pages, confirming]:
        for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL):
            assert "src=" in attributes or "application/json" in attributes
            assert "src=" not in attributes or not body.strip()
        assert not re.search(r"\son(click|load|submit|error)=", page)


def test_no_secret_of_a_webhook_stands_in_a_page(root, house):
    endpoint = WebhookEndpoint.objects.get()
    pages = root.page(endpoint) + root.list(WebhookEndpoint)
    assert secrets.reveal_secret(endpoint.secret) not in pages
    assert bytes(endpoint.secret).decode() not in pages


def test_no_secret_of_an_import_stands_in_a_page(root, house):
    pages = root.page(MediaImport.objects.get()) + root.list(MediaImport)
    assert "https://media.example/film.mp4" in pages
    assert "token" not in pages.replace("csrfmiddlewaretoken", "")


def test_imports_are_found_by_address_and_owner(root, house, user):
    for term in ("media.example/film", user.email, str(MediaImport.objects.get().pk)):
        assert "https://media.example/film.mp4" in root.list(MediaImport, q=term)
    assert "film.mp4" not in root.list(MediaImport, q="elsewhere.example")


class TestApiKeys:
    def test_they_are_found_by_how_they_begin_and_show_no_secret(self, root, make_key, make_user):
        key, other = make_key(), make_key(owner=make_user())
        for term in (key.row.prefix, key.row.user.email, str(key.row.pk)):
            listed = root.list(ApiKey, q=term)
            assert key.row.prefix in listed
            assert other.row.prefix not in listed
        secret = key.key.removeprefix(key.row.prefix)
        pages = root.page(key.row) + root.list(ApiKey)
        assert secret not in pages
        assert bytes(key.row.digest).hex() not in pages

    def test_staff_with_the_right_revoke_one(self, root, viewer, make_key):
        key = make_key()
        viewer.act("revoke", key.row, reason=REASON)
        key.row.refresh_from_db()
        assert key.row.revoked_at is None
        assert messages_of(root.act("revoke", key.row, reason=REASON))
        key.row.refresh_from_db()
        assert key.row.revoked_at is not None
        assert records_of(key.row) == [(root.user, f"Revoked. Reason: {REASON}")]

    def test_a_job_names_its_key(self, root, make_key, make_job):
        key, job = make_key(), make_job()
        Job.objects.filter(pk=job.pk).update(api_key_id=key.row.pk)
        assert page_url(key.row) in root.page(job)


def test_the_guard_against_double_clicks_is_served(root, job):
    confirming = root.act("cancel", job).content.decode()
    [path] = re.findall(r'src="([^"]*submit_once[^"]*)"', confirming)
    assert "data-submit-once" in confirming
    served = b"".join(root.client.get(path).streaming_content)
    assert b"data-submit-once" in served


class TestQueries:
    @pytest.fixture
    def add(self, root, make_user, make_job):
        """Something in each list, of an owner and a project of its own."""

        def make():
            owner = make_user(balance=10)
            project = Project.objects.create(user=owner, name="One of many")
            job = make_job(owner)
            bring_to(job, AttemptState.RUNNING)
            Job.objects.filter(pk=job.pk).update(project=project)
            MediaFile.objects.filter(pk__in=job.media_ids).update(project=project)
            key = f"users/{owner.pk}/voices/voice.wav"
            VoiceClone.objects.create(user=owner, name="Voice", sample_r2_key=key)
            record_consent(
                user_id=owner.pk, kind=ConsentKind.FACE, subject="Ann", media_ids=job.media_ids
            )
            add_webhook(owner)
            CreditCorrection.objects.create(user=owner, amount=1, asked_by=root.user)
            keys.create_key(user_id=owner.pk, name="Script", scopes=[Scope.READ])
            imports.start_import(user_id=owner.pk, project_id=project.pk, url=IMPORTED)
            return owner

        return make

    @pytest.mark.parametrize("model", MODELS)
    def test_a_list_takes_as_many_for_many_as_for_one(self, root, model, add):
        add()
        with CaptureQueriesContext(connection) as for_one:
            root.list(model)
        owners = [add() for _ in range(4)]
        with CaptureQueriesContext(connection) as for_many:
            listed = root.list(model)
        assert all(owner.email in listed for owner in owners)
        assert len(for_many) <= len(for_one)


class TestJson:
    def test_is_text_never_markup(self):
        output = pretty_json({"title": "</pre><img src=x onerror=alert(1)>"})
        assert "<img" not in output
        assert output.count("</pre>") == 1

    def test_keeps_letters_of_every_language(self):
        assert "Grüße 你好" in pretty_json(["Grüße 你好"])

    def test_at_the_limit_is_whole(self):
        text = "a" * (MAX_JSON_CHARS - 2)  # and two quotes
        assert "more" not in pretty_json(text)

    def test_past_the_limit_is_cut(self):
        text = "a" * (MAX_JSON_CHARS - 1)
        assert "… and 1 characters more" in pretty_json(text)

    def test_none_is_a_dash(self):
        assert pretty_json(None) == "-"
