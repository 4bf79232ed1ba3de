"""Fixtures of the admin's tests: staff in the browser, and a house with something in it."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import models
from django.test import Client
from django.urls import reverse

from accounts.api_keys import keys
from accounts.models import Subscription, User
from accounts.staff.sessions import IDENTITY_AT
from auteur.core.api.scopes import Scope
from credits.models import CreditCorrection, CreditGrant, Credits, CreditTransaction
from jobs.integrations.webhooks import deliveries, endpoints
from jobs.integrations.webhooks.models import WebhookDelivery, WebhookEndpoint
from jobs.models import Job
from jobs.states import AttemptState
from media import imports
from media.consents.models import Consent, ConsentKind
from media.consents.records import record_consent
from media.models import MediaFile, MediaImport, VoiceClone
from projects.models import Project
from tests.jobs.walk import bring_to

XSS = "<script>alert('x')</script>"
IMPORTED = "https://media.example/film.mp4?token=secret"
REASON = "The client <b>asked</b>"


@dataclass(frozen=True)
class Browser:
    """A signed-in member of staff; pages come as text."""

    user: User
    client: Client

    def list(self, model: type[models.Model], **query: Any) -> str:
        return self._text(self.client.get(list_url(model), query))

    def page(self, obj: models.Model) -> str:
        return self._text(self.client.get(page_url(obj)))

    def act(self, action: str, *objects: models.Model, **values: Any) -> Any:
        """Open an action's confirming page, or with form data confirm it."""
        data: dict[str, Any] = {
            "action": action,
            ACTION_CHECKBOX_NAME: [str(obj.pk) for obj in objects],
            **({"confirmed": "1"} if values else {}),
            **values,
        }
        return self.client.post(list_url(type(objects[0])), data, follow=True)

    @staticmethod
    def _text(response: Any) -> str:
        assert response.status_code == 200, response
        return str(response.content.decode())


def list_url(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_url(obj: models.Model) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=(obj.pk,))


def messages_of(response: Any) -> list[str]:
    """What the page says on top."""
    return [str(message) for message in response.context["messages"]]


def records_of(obj: models.Model) -> list[tuple[User, str]]:
    """Who did what, as the object's history has it."""
    entries = LogEntry.objects.filter(object_id=str(obj.pk)).order_by("action_time")
    return [(entry.user, entry.change_message) for entry in entries]


@pytest.fixture
def browser_of() -> Callable[[User], Browser]:
    def browser(user: User) -> Browser:
        client = Client()
        client.force_login(user)
        session = client.session
        session[IDENTITY_AT] = time.time()  # as the login's page does
        session.save()
        return Browser(user=user, client=client)

    return browser


@pytest.fixture
def root(make_user, browser_of) -> Browser:
    """A superuser."""
    return browser_of(make_user(email="root@example.com", is_staff=True, is_superuser=True))


@pytest.fixture
def staff_with(make_user, browser_of) -> Callable[..., Browser]:
    """Staff with the given permissions, named like ``jobs.view_job``."""

    def make(*names: str) -> Browser:
        user = make_user(is_staff=True)
        for name in names:
            app, codename = name.split(".")
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
        return browser_of(user)

    return make


@pytest.fixture
def viewer(staff_with) -> Browser:
    """Staff who may see everything and change nothing."""
    models_ = (
        "accounts.user",
        "accounts.subscription",
        "accounts.apikey",
        "credits.credits",
        "credits.creditgrant",
        "credits.creditcorrection",
        "jobs.job",
        "credits.credittransaction",
        "projects.project",
        "media.mediafile",
        "media.mediaimport",
        "media.voiceclone",
        "media.consent",
        "jobs.webhookendpoint",
        "jobs.webhookdelivery",
    )
    return staff_with(*(name.replace(".", ".view_") for name in models_))


@pytest.fixture
def project(user) -> Project:
    return Project.objects.create(user=user, name=f"Holiday {XSS}")


@pytest.fixture
def media(make_media, project) -> MediaFile:
    return make_media(project=project, name=f"beach {XSS}.wav")


@pytest.fixture
def voice(user) -> VoiceClone:
    key = f"users/{user.pk}/voices/{uuid.uuid4()}.wav"
    return VoiceClone.objects.create(user=user, name="Grandma", sample_r2_key=key)


@pytest.fixture
def job(make_job) -> Job:
    """An open job of 5 credits whose call runs."""
    result: Job = make_job(minutes=10)
    bring_to(result, AttemptState.RUNNING)
    result.refresh_from_db()
    return result


@pytest.fixture
def completed(make_job) -> Job:
    """A completed job of 5 credits."""
    result: Job = make_job(minutes=10)
    bring_to(result, AttemptState.COMPLETED)
    result.refresh_from_db()
    return result


@pytest.fixture
def consent(user, media) -> Consent:
    return record_consent(
        user_id=user.pk, kind=ConsentKind.FACE, subject=f"Ann {XSS}", media_ids=[media.pk]
    )


@pytest.fixture
def house(user, project, media, voice, consent, job) -> list[models.Model]:
    """One of everything that the admin shows."""
    Subscription.objects.create(user=user, plan="pro", status="active")
    usage = CreditTransaction.objects.get(job=job)
    endpoint, ping = add_webhook(user)
    account = Credits.objects.get(user=user)
    grant = CreditGrant.objects.get(user=user)
    colleague = User.objects.create(email="colleague@example.org", is_staff=True)
    correction = CreditCorrection.objects.create(user=user, amount=10**5, asked_by=colleague)
    started = imports.start_import(user_id=user.pk, project_id=project.pk, url=IMPORTED)
    imported = MediaImport.objects.get(pk=started.pk)
    key = keys.create_key(user_id=user.pk, name=XSS, scopes=[Scope.READ]).row
    money = [account, usage, grant, correction]
    return [
        *[user, *money, project, media, imported, voice],
        *[consent, job, endpoint, ping, key],
    ]


def add_webhook(user: User) -> tuple[WebhookEndpoint, WebhookDelivery]:
    """An endpoint, and a ping that waits."""
    endpoint = endpoints.create_endpoint(
        user_id=user.pk, url="https://receiver.example", events=[], description=XSS, enabled=True
    )
    return endpoint, deliveries.create_ping(endpoint)
