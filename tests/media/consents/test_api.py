"""Consents as clients record, read and revoke them."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from media.consents import records
from media.consents.models import MAX_SUBJECT_LENGTH, Consent, ConsentKind
from media.consents.records import MAX_COVERED, MAX_STEPS, has_consent
from media.consents.statements import STATEMENTS
from media.models import MediaFile, MediaStatus, MediaType, VoiceClone
from media.storage import ObjectStorage
from tests.media.consents.conftest import follow

pytestmark = pytest.mark.django_db

Make = Callable[..., MediaFile]


def post(api: APIClient, **fields: Any) -> Any:
    return api.post("/consents", {"kind": "face", "subject": "Ann"} | fields, format="json")


def problem(answer: Any) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["code"], [first["field"] for first in body.get("errors", [])]


def test_given_listed_and_read(api: APIClient, make_media: Make, settings: Settings) -> None:
    media = make_media()
    answer = post(api, media_ids=[str(media.pk)])
    assert answer.status_code == 201
    body = answer.json()
    assert (body["status"], body["subject"], body["kind"]) == ("given", "Ann", "face")
    assert (body["media_ids"], body["voice_id"]) == ([str(media.pk)], None)
    ours = STATEMENTS[ConsentKind.FACE]
    assert (body["statement"], body["statement_version"]) == (ours.text, ours.version)
    assert api.get("/consents").json()["consents"] == [body]
    detail = {"receipt": None, "refunds_left": settings.MAX_FREE_CANCELS}
    assert api.get(f"/consents/{body['id']}").json() == body | detail
    assert api.get(f"/consents/{body['id']}/receipt").json()["objects"] == []


def test_a_statement_of_the_clients_is_kept_word_for_word(api: APIClient, make_media: Make) -> None:
    words = "I, Ann, agree. – «Ja»"
    body = post(api, media_ids=[str(make_media().pk)], statement=words).json()
    assert (body["statement"], body["statement_version"]) == (words, None)


def test_a_voice_comes_with_its_consent(api: APIClient) -> None:
    body = {"name": "Grandma", "content_type": "audio/wav", "consent": True}
    voice_id = api.post("/voices", body, format="json").json()["voice_id"]
    [consent] = api.get("/consents").json()["consents"]
    assert (consent["kind"], consent["subject"], consent["voice_id"]) == (
        "voice",
        "Grandma",
        voice_id,
    )
    voice = VoiceClone.objects.get(pk=voice_id)
    assert consent["statement"] == voice.consent_statement
    again = post(api, kind="voice", voice_id=voice_id)
    assert again.status_code == 201


def test_bad_input(api: APIClient, make_media: Make, make_user: Callable[..., User]) -> None:
    media = str(make_media().pk)
    theirs = str(make_media(make_user()).pk)
    refused = make_media(status=MediaStatus.REJECTED)
    assert problem(post(api)) == (400, "invalid", ["media_ids"])
    assert problem(post(api, media_ids=[media], voice_id=media))[0] == 400
    assert problem(post(api, voice_id=media)) == (400, "invalid", ["voice_id"])
    assert problem(post(api, kind="soul", media_ids=[media])) == (400, "invalid", ["kind"])
    assert problem(post(api, media_ids=["x"]))[0] == 400
    assert problem(post(api, media_ids=[media], subject="A\x01"))[0] == 400
    assert problem(post(api, media_ids=[media], subject=" "))[0] == 400
    for unknown in (theirs, str(uuid.uuid4()), str(refused.pk)):
        assert post(api, media_ids=[media, unknown]).status_code == 404
        assert post(api, kind="voice", voice_id=unknown).status_code == 404
    assert not Consent.objects.exists()


def test_limits_at_their_edges(
    api: APIClient, make_media: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = str(make_media().pk)
    longest = "a" * MAX_SUBJECT_LENGTH
    assert post(api, media_ids=[media] * MAX_COVERED, subject=longest).status_code == 201
    assert post(api, media_ids=[media] * (MAX_COVERED + 1)).status_code == 400
    assert post(api, media_ids=[media], subject=longest + "a").status_code == 400
    assert post(api, media_ids=[media], statement="a" * 2001).status_code == 400
    monkeypatch.setattr(records, "MAX_CONSENTS", 2)
    assert post(api, media_ids=[media]).status_code == 201
    answer = post(api, media_ids=[media])
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_consents")
    api.post(f"/consents/{Consent.objects.latest('given_at').pk}/revoke")
    assert post(api, media_ids=[str(make_media().pk)]).status_code == 201


def test_asked_twice_with_a_key_it_is_given_once(api: APIClient, make_media: Make) -> None:
    body = {"kind": "face", "subject": "Ann", "media_ids": [str(make_media().pk)]}
    for _ in range(2):
        answer = api.post("/consents", body, format="json", headers={"Idempotency-Key": "k"})
        assert answer.status_code == 201
    assert Consent.objects.count() == 1


def test_others_and_nobody_see_nothing(
    api: APIClient,
    make_media: Make,
    make_user: Callable[..., User],
    client_of: Callable[[User], APIClient],
) -> None:
    path = f"/consents/{post(api, media_ids=[str(make_media().pk)]).json()['id']}"
    stranger = client_of(make_user())
    assert stranger.get("/consents").json()["consents"] == []
    assert stranger.get(path).status_code == 404
    assert stranger.get(f"{path}/receipt").status_code == 404
    assert stranger.post(f"{path}/revoke").status_code == 404
    assert APIClient().get(path).status_code == 401
    assert Consent.objects.get().revoked_at is None


def test_revoked_nothing_new_begins_and_the_receipt_follows(
    api: APIClient, stored: Make, objects: ObjectStorage
) -> None:
    media = stored(file_size_bytes=21)
    path = f"/consents/{post(api, media_ids=[str(media.pk)]).json()['id']}"
    response = api.post(f"{path}/revoke")
    assert (response.status_code, response.json()["status"]) == (202, "revoked")
    assert api.post(f"{path}/revoke").json()["revoked_at"] == response.json()["revoked_at"]
    job = api.post("/jobs/transcription", {"media_id": str(media.pk)}, format="json")
    assert job.json()["errors"][0]["code"] == "media_not_ready"
    body = api.get(f"/media/{media.pk}").json()
    assert (body["rejection"]["code"], body["download_url"]) == ("consent_revoked", None)

    follow(Consent.objects.get())
    response = api.get(path).json()
    assert response["status"] == "removed"
    assert response["finished_at"] is not None
    assert response["receipt"] == {"objects_count": 1, "removed_count": 1, "size_bytes": 21}
    [stored_object] = api.get(f"{path}/receipt").json()["objects"]
    assert (stored_object["id"], stored_object["kind"], stored_object["key"]) == (
        str(media.pk),
        "media",
        media.r2_key,
    )
    assert stored_object["size_bytes"] == 21
    assert stored_object["removed_at"] is not None
    assert api.get(f"/media/{media.pk}").status_code == 404
    assert objects.list_page("", 10) == []


def test_a_closed_account_may_revoke_as_well(api: APIClient, make_media: Make) -> None:
    path = f"/consents/{post(api, media_ids=[str(make_media().pk)]).json()['id']}"
    assert api.delete("/users/me").status_code == 202
    assert post(api, media_ids=[str(make_media().pk)]).status_code == 403
    assert api.post(f"{path}/revoke").status_code == 202


def test_receipts_have_pages(api: APIClient, stored: Make) -> None:
    media = [stored() for _ in range(3)]
    path = f"/consents/{post(api, media_ids=[str(file.pk) for file in media]).json()['id']}"
    api.post(f"{path}/revoke")
    first = api.get(f"{path}/receipt?limit=2").json()
    second = api.get(first["next"]).json()
    keys = [stored_object["key"] for stored_object in first["objects"] + second["objects"]]
    assert sorted(keys) == sorted(stored_object.r2_key for stored_object in media)


class TestWhereItIsRequired:
    @pytest.fixture
    def film(self, make_media: Make) -> MediaFile:
        return make_media(type=MediaType.VIDEO)

    def estimate(self, api: APIClient, media: MediaFile) -> Any:
        body = {"video_media_id": str(media.pk)}
        return api.post("/jobs/gaze-redirection/estimate", body, format="json")

    def test_by_default_it_is_not(self, api: APIClient, film: MediaFile) -> None:
        assert self.estimate(api, film).status_code == 200

    def test_by_setting_a_face_needs_one(
        self, api: APIClient, film: MediaFile, settings: Settings
    ) -> None:
        settings.FACE_CONSENT_REQUIRED = True
        answer = self.estimate(api, film)
        assert problem(answer) == (422, "consent_required", ["video_media_id"])
        assert answer.json()["statement"] == STATEMENTS[ConsentKind.FACE].text
        post(api, kind="voice", media_ids=[str(film.pk)])
        assert self.estimate(api, film).status_code == 422
        post(api, media_ids=[str(film.pk)])
        assert self.estimate(api, film).status_code == 200

    def test_of_what_a_result_was_made_from(self, make_media: Make, consent_for: Any) -> None:
        film, other = make_media(), make_media()
        first = make_media(origin={"media_ids": [str(other.pk), str(film.pk)]})
        second = make_media(origin={"media_ids": [str(first.pk)]})
        assert not has_consent(kind=ConsentKind.FACE, media=second)
        consent_for(film)
        assert has_consent(kind=ConsentKind.FACE, media=second)
        assert not has_consent(kind=ConsentKind.FACE, media=other)

    def test_so_many_steps_back_a_consent_is_looked_for(
        self, make_media: Make, consent_for: Any
    ) -> None:
        last = make_media()
        consent_for(last)
        for _ in range(MAX_STEPS - 1):
            last = make_media(origin={"media_ids": [str(last.pk)]})
        assert has_consent(kind=ConsentKind.FACE, media=last)
        last = make_media(origin={"media_ids": [str(last.pk)]})
        assert not has_consent(kind=ConsentKind.FACE, media=last)

    def test_the_catalogue_tells(self, api: APIClient, settings: Settings) -> None:
        settings.FACE_CONSENT_REQUIRED = True
        messages = {
            feature_row["type"]: feature_row["parameters"]
            for feature_row in api.get("/features").json()["features"]
        }
        request_data = {
            (feature, name)
            for feature, parameters in messages.items()
            for name, entry in parameters.items()
            if entry.get("consent") == "face" and entry["consent_required"]
        }
        assert request_data == {
            ("lip_sync", "video_media_id"),
            ("gaze_redirection", "video_media_id"),
            ("performance_cloning", "source_media_id"),
        }


@pytest.mark.parametrize(
    "wrong", [{"media_ids": []}, {"status": "revoked"}, {"status": "removed"}, {"due_at": "now()"}]
)
def test_the_database_itself_refuses(user: User, wrong: dict[str, Any]) -> None:
    fields = {"kind": "face", "subject": "Ann", "statement": "Yes.", "media_ids": [uuid.uuid4()]}
    if "due_at" in wrong:
        wrong = {"due_at": "2026-01-01T00:00:00Z"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Consent.objects.create(user=user, **(fields | wrong))
