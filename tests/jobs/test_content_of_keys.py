"""What a key with the scope `jobs` alone learns by what it does."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from auteur.core.api.scopes import Scope
from jobs.integrations.webhooks.models import WebhookDelivery
from jobs.models import Job
from tests.conftest import by_key

pytestmark = pytest.mark.django_db


def test_a_key_that_may_not_read_cancels_without_seeing_what_was_asked(
    make_key: Callable, make_job: Callable[..., Job]
) -> None:
    for scopes, is_shown in (((Scope.JOBS,), False), ((Scope.JOBS, Scope.READ), True)):
        job = make_job()
        Job.objects.filter(pk=job.pk).update(callback_url="https://example.com/?secret")
        answer = by_key(make_key(*scopes)).post(f"/jobs/{job.pk}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert bool(answer.json()["input_params"]) is is_shown
        assert bool(answer.json()["callback_url"]) is is_shown
        assert answer.json()["output_data"] is None


def test_a_key_that_may_not_read_sees_no_answers_of_receivers(
    api: APIClient, make_key: Callable
) -> None:
    endpoint = api.post("/webhooks", {"url": "https://example.com/?secret"}, format="json").json()
    for scopes, is_shown in (((Scope.JOBS,), False), ((Scope.JOBS, Scope.READ), True)):
        key = by_key(make_key(*scopes))
        ping = key.post(f"/webhooks/{endpoint['id']}/ping")
        assert ping.status_code == 202
        WebhookDelivery.objects.update(
            due_at=None, state="failed", url="https://example.com/?secret", request_headers={}
        )
        again = key.post(f"/webhooks/{endpoint['id']}/deliveries/{ping.json()['id']}/redeliver")
        assert again.status_code == 202
        assert bool(again.json()["url"]) is is_shown
        assert (again.json()["request_headers"] == {}) is is_shown
