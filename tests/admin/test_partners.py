"""Partners in the admin: partner, changed and tried, and their logins go in only."""

from typing import Any

import pytest
import redis
from django.conf import settings

from accounts.models import User
from accounts.staff.sessions import IDENTITY_AT
from jobs.integrations.partners.models import DeadLetter, Kind, Partner, PartnerRequest, State
from tests.admin.conftest import XSS, Browser, list_url, messages_of, page_url

SECRET = "correct-horse"
KAFKA = f'{{"brokers": ["127.0.0.1:1"], "username": "us", "password": "{SECRET}"}}'


@pytest.fixture
def form(user: User) -> dict[str, Any]:
    """What an administrator enters: the topics are there already."""
    fields = {field.name: field.get_default() for field in Partner._meta.fields if field.editable}
    values = {name: value for name, value in fields.items() if value not in (None, [], False)}
    return {
        **values,
        "name": "courses",
        "user": str(user.pk),
        "is_active": "on",
        "transport": "kafka",
        "new_connection": KAFKA,
    }


@pytest.fixture
def partner(root: Browser, form: dict[str, Any]) -> Partner:
    answer = root.client.post(f"{list_url(Partner)}add/", form)
    assert answer.status_code == 302, answer.context["errors"]
    return Partner.objects.get()


def test_a_partner_is_made_with_the_default_topics(partner: Partner):
    assert partner.connection_settings["password"] == SECRET
    assert SECRET.encode() not in bytes(partner.connection)
    names = [getattr(partner, topic) for topic in Partner.TOPICS]
    assert names[:2] == ["Transcribe", "update_transcribe"]
    assert "finish_compress" in names


def test_whoever_saves_one_shows_who_they_are(root: Browser, form: dict[str, Any]):
    session = root.client.session
    session[IDENTITY_AT] = 0.0
    session.save()
    response = root.client.post(f"{list_url(Partner)}add/", form)
    assert response.url.startswith("/admin/identity/")
    assert not Partner.objects.exists()


def test_its_password_is_on_no_page(root: Browser, partner: Partner):
    page = root.page(partner) + root.list(Partner)
    assert "127.0.0.1:1" in page
    assert SECRET not in page


def test_what_is_left_empty_stays(root: Browser, partner: Partner, form: dict[str, Any]):
    changed = {**form, "new_connection": "", "max_open_requests": "7"}
    assert root.client.post(page_url(partner), changed).status_code == 302
    partner.refresh_from_db()
    assert (partner.max_open_requests, partner.connection_settings["password"]) == (7, SECRET)
    again = {**form, "new_connection": KAFKA.replace(SECRET, "other")}
    assert root.client.post(page_url(partner), again).status_code == 302
    partner.refresh_from_db()
    assert partner.connection_settings["password"] == "other"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"new_connection": ""}, "A partner needs a broker."),
        ({"new_connection": '{"brokers": []}'}, "brokers: "),
        ({"new_connection": "[]"}, "It must be an object."),
        ({"new_connection": '{"url": "redis://x"}'}, "Extra inputs are not permitted"),
        ({"transport": "pigeon"}, "Select a valid choice"),
        ({"name": "Not a name"}, "Small letters, digits and -."),
        (
            {"compress_topic": "Transcribe"},
            "A topic that is read cannot also be used as another topic",
        ),
        ({"transcribe_topic": "a b"}, "Letters, digits, dots, _ and -."),
        ({"max_message_bytes": "0"}, "greater than or equal to 1"),
        ({"max_message_bytes": str(1024**2 + 1)}, "less than or equal to"),
        ({"url_hosts": "https://cdn.example"}, "These are not host names"),
        ({"language": "xx"}, "Transcription does not support this language."),
    ],
)
def test_what_cannot_be_is_told_beside_its_field(root, form, wrong, why):
    answer = root.client.post(f"{list_url(Partner)}add/", {**form, **wrong})
    assert answer.status_code == 200
    assert why in " ".join(str(error) for error in answer.context["errors"])
    assert not Partner.objects.exists()


def test_a_second_partner_has_a_folder_of_its_own(root, partner, form):
    answer = root.client.post(f"{list_url(Partner)}add/", {**form, "name": "second"})
    assert answer.status_code == 200
    second = {**form, "name": "second", "captions_folder": "second"}
    assert root.client.post(f"{list_url(Partner)}add/", second).status_code == 302


def test_a_connection_is_tried(root: Browser, partner: Partner):
    partner.transport = "redis"
    partner.connection_settings = {"url": settings.REDIS_URL}
    partner.transcribe_topic, partner.compress_topic = "test.admin.a", "test.admin.b"
    partner.save()
    *_, result = messages_of(root.act("check_connection", partner))
    assert result == "courses: its broker answers."
    partner.connection_settings = {"url": f"redis://:{SECRET}@127.0.0.1:1/0"}
    partner.save()
    with redis.Redis.from_url(settings.REDIS_URL) as store:
        store.delete("test.admin.a", "test.admin.b")
    (result,) = messages_of(root.act("check_connection", partner))
    assert result.startswith("courses: ")
    assert SECRET not in result


def test_staff_who_may_only_see_add_and_try_nothing(staff_with, partner: Partner, form):
    viewer = staff_with("jobs.view_partner")
    assert viewer.client.post(f"{list_url(Partner)}add/", form).status_code == 403
    assert '<select name="action"' not in viewer.list(Partner)
    assert 'name="_save"' not in viewer.page(partner)


def test_requests_and_dead_letters_are_found_and_show_no_address(root: Browser, partner: Partner):
    request = PartnerRequest.objects.create(
        partner=partner,
        kind=Kind.COMPRESS,
        video_id="lesson-7",
        coordinates="Compress/0/7",
        source="https://cdn.example/a.mp4",
        url_hash=b"x" * 32,
        state=State.ANSWERING,
        token="token-of-it",
        error_code="no_sound",
    )
    letter = DeadLetter.objects.create(
        partner=partner, coordinates="Compress/0/8", topic="Compress", reason=XSS, size_bytes=3
    )
    for term in ("lesson-7", "Compress/0/7", "cdn.example", str(request.pk)):
        assert "lesson-7" in root.list(PartnerRequest, q=term)
    assert "lesson-7" not in root.list(PartnerRequest, q="lesson-8")
    assert "no_sound" in root.page(request)
    assert "token-of-it" not in root.page(request)
    for page in (root.page(letter), root.list(DeadLetter)):
        assert XSS not in page
        assert "Compress/0/8" in page
    for obj in (partner, request, letter):
        delete = page_url(obj).replace("/change/", "/delete/")
        assert root.client.post(delete, {"post": "yes"}).status_code == 403
