"""A partner's broker, or a store of ours, is away: what waits, goes on."""

import threading
from collections.abc import Callable

import pytest
from django.conf import settings as known_settings
from django.core.files.storage import storages

from auteur.core.work import liveness
from jobs.integrations.partners.consumer import Consumer, Consumers
from jobs.integrations.partners.models import Partner, PartnerRequest, State
from tests.jobs.integrations.partners.conftest import Platform, hurry
from tests.waiting import until

pytestmark = pytest.mark.django_db

NOWHERE = {"url": "redis://127.0.0.1:1/0"}


def test_without_its_broker_work_goes_on_and_answers_wait(
    partner: Partner, platform: Platform, make_consumer: Callable[..., Consumer], serve, workers
):
    platform.asks("v1")
    make_consumer(partner).round()
    there = partner.connection_settings
    partner.connection_settings = NOWHERE
    lost = make_consumer(partner)
    for _ in range(6):
        workers()
        hurry()
        lost.round()
    assert PartnerRequest.objects.get().state == State.ANSWERING
    partner.connection_settings = there
    serve(make_consumer(partner))
    assert platform.answer()["video_id"] == "v1"


def test_a_broker_that_fails_is_left_alone_for_a_while(
    partner: Partner, make_consumer: Callable[..., Consumer]
):
    partner.connection_settings = NOWHERE
    consumer = make_consumer(partner)
    assert consumer.broker() is not None
    consumer.round()
    assert consumer.broker() is None


def test_a_login_that_cannot_be_read_harms_nobody_else(
    partner: Partner, make_consumer: Callable[..., Consumer]
):
    partner.connection = b"of another key"
    consumer = make_consumer(partner)
    consumer.round()
    assert consumer.broker() is None


def test_captions_wait_for_their_bucket(
    partner: Partner, platform: Platform, serve, consumer: Consumer, workers, settings, tmp_path
):
    away = {"location": str(tmp_path / "a" / "b"), "base_url": "http://x/", "signing_key": "k" * 40}
    (tmp_path / "a").write_text("no folder")
    backend = settings.STORAGES["default"]["BACKEND"]
    settings.STORAGES = settings.STORAGES | {"captions": {"BACKEND": backend, "OPTIONS": away}}
    settings.CAPTIONS_BUCKET = "captions"
    platform.asks("v1")
    for _ in range(5):
        hurry()
        consumer.round()
        workers()
    request = PartnerRequest.objects.get()
    assert (request.state, request.trouble) == (State.WORKING, "NotADirectoryError")
    assert platform.hears() == []
    (tmp_path / "a").unlink()
    serve()
    assert platform.answer()["video_id"] == "v1"
    key = f"{partner.captions_folder}/videos/v1.json"
    assert storages["captions"].exists(key)


@pytest.mark.django_db(transaction=True)
def test_requests_of_others_are_taken_only_after_a_lease_of_watching_the_database() -> None:
    consumers = Consumers()
    assert not liveness.can_expire_leases()
    thread = threading.Thread(target=consumers.run)
    thread.start()
    try:
        watch = until(lambda: liveness._watches and liveness._watches[0], 30.0)
        checked_at = watch._last
        until(lambda: watch._last > checked_at, 30.0)
        assert not liveness.can_expire_leases()
        watch._since -= known_settings.WORKER_LEASE_SECONDS
        assert liveness.can_expire_leases()
    finally:
        consumers.stop()
        thread.join()
    assert not liveness._watches
