"""Asking for a voice, uploading its sample, confirming; on both storages where bytes move."""

import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.api.problems import Problem
from gpu_tasks.mediakit.audio import Samples
from media import checking
from media.kinds import VOICES
from media.models import MediaStatus, VoiceClone
from media.storage import ObjectMissingError, ObjectStorage
from media.storage.s3 import PresignedS3Storage
from media.voices import uploads
from media.voices.uploads import CONSENT_STATEMENT, CONSENT_VERSION
from tests.gpu_tasks.recordings import INTERVIEW
from tests.media import samples
from tests.media.conftest import send
from tests.media.voices.conftest import SPEECH, Ask, Bring, Confirm

Refuse = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def refuse(api: APIClient) -> Refuse:
    """Ask for a voice in a way that is refused: status and problem."""

    def ask(**fields: Any) -> tuple[int, dict[str, Any]]:
        body = {"name": "Mine", "content_type": "audio/wav", "consent": True} | fields
        answer = api.post("/voices", body, format="json")
        assert answer["Content-Type"] == "application/problem+json"
        assert not VoiceClone.objects.filter(name=body["name"]).exists()
        return answer.status_code, answer.json()

    return ask


class TestAsking:
    def test_the_answer(self, ask_voice: Ask, user: User) -> None:
        before = timezone.now()
        answer = ask_voice(name="Grandma ☀", filename="oma.ogg", size_bytes=1234)

        assert set(answer) == {"voice_id", "upload_url", "method", "headers", "expires_at"}
        assert answer["method"] == "PUT"
        assert answer["headers"] == {"Content-Type": "audio/ogg", "If-None-Match": "*"}
        lasts = datetime.fromisoformat(answer["expires_at"]) - before
        assert timedelta(minutes=15) <= lasts < timedelta(minutes=15, seconds=10)
        voice = VoiceClone.objects.get(pk=answer["voice_id"])
        assert (voice.name, voice.filename, voice.file_size_bytes) == ("Grandma ☀", "oma.ogg", 1234)
        assert (voice.status, voice.user_id) == (MediaStatus.UPLOADING, user.pk)
        assert voice.sample_r2_key == f"users/{user.pk}/voices/{voice.pk}/sample.ogg"

    def test_consent_is_kept_with_its_words_and_time(self, ask_voice: Ask) -> None:
        ours = VoiceClone.objects.get(pk=ask_voice()["voice_id"])
        assert (ours.consent_statement, ours.consent_version) == (
            CONSENT_STATEMENT,
            CONSENT_VERSION,
        )
        theirs = VoiceClone.objects.get(pk=ask_voice(consent_statement="Ja!")["voice_id"])
        assert (theirs.consent_statement, theirs.consent_version) == ("Ja!", "")
        for voice in (ours, theirs):
            assert abs(voice.consented_at - timezone.now()) < timedelta(minutes=1)

    @pytest.mark.parametrize("fields", [{"consent": False}, {"consent": None}, {"consent": "no"}])
    def test_without_consent(self, refuse: Refuse, fields: dict[str, Any]) -> None:
        status, problem = refuse(**fields)
        assert (status, problem["code"]) == (400, "consent_required")
        assert problem["errors"][0]["field"] == "consent"
        assert problem["statement"] == CONSENT_STATEMENT

    def test_without_a_word_on_consent(self, api: APIClient) -> None:
        body = {"name": "Mine", "content_type": "audio/wav"}
        answer = api.post("/voices", body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (400, "consent_required")

    @pytest.mark.parametrize("told", ["image/png", "text/html", "audio/*", ""])
    def test_content_types_that_are_not_taken(self, refuse: Refuse, told: str) -> None:
        status, problem = refuse(content_type=told)
        assert status in {400, 415}
        assert "image/png" not in problem.get("accepted", [])

    def test_a_film_is_taken(self, ask_voice: Ask) -> None:
        assert ask_voice(content_type="video/mp4")["headers"]["Content-Type"] == "video/mp4"

    def test_the_largest_size(self, ask_voice: Ask, refuse: Refuse, settings: Settings) -> None:
        settings.MAX_VOICE_SAMPLE_BYTES = 5000
        assert ask_voice(size_bytes=5000)
        status, problem = refuse(size_bytes=5001, name="Past")
        assert (status, problem["code"], problem["max_bytes"]) == (413, "file_too_large", 5000)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "a" * 256),
            ("name", "a\nb"),
            ("name", None),
            ("filename", "a\tb"),
            ("filename", "a" * 256),
            ("size_bytes", 0),
            ("consent_statement", "a" * 2001),
            ("consent", "perhaps"),
        ],
    )
    def test_fields_that_are_none(self, refuse: Refuse, field: str, value: Any) -> None:
        status, problem = refuse(**{field: value})
        assert (status, problem["errors"][0]["field"]) == (400, field)

    def test_the_most_voices_of_a_user(
        self, ask_voice: Ask, refuse: Refuse, make_voice: Bring, settings: Settings
    ) -> None:
        settings.MAX_VOICES = 2
        make_voice(status=MediaStatus.REJECTED)
        make_voice()
        assert ask_voice()
        status, problem = refuse(name="A third")
        assert (status, problem["code"], problem["max_voices"]) == (409, "too_many_voices", 2)

    def test_others_voices_do_not_count(
        self,
        ask_voice: Ask,
        make_voice: Bring,
        make_user: Callable[..., User],
        settings: Settings,
    ) -> None:
        settings.MAX_VOICES = 1
        make_voice(make_user())
        assert ask_voice()

    def test_without_a_token(self) -> None:
        assert APIClient().post("/voices", {}, format="json").status_code == 401


class TestConfirming:
    def test_a_voice(self, storage: ObjectStorage, bring: Bring, confirm_voice: Confirm) -> None:
        voice = bring(size_bytes=len(SPEECH))

        answer = confirm_voice(voice)

        assert answer.status_code == 200, answer.content
        voice_value = answer.json()["voice"]
        assert (voice_value["id"], voice_value["status"], voice_value["rejected"]) == (
            str(voice.pk),
            "ready",
            None,
        )
        assert voice_value["sample_duration_ms"] == pytest.approx(11_500, abs=100)
        assert voice_value["speech_duration_ms"] == pytest.approx(9_870, abs=100)
        assert voice_value["preview_url"]
        voice.refresh_from_db()
        assert voice.file_size_bytes == len(SPEECH)

    def test_confirming_again_answers_the_same(
        self, filesystem_storage: ObjectStorage, bring: Bring, confirm_voice: Confirm
    ) -> None:
        voice = bring()
        messages = [confirm_voice(voice).json()["voice"] for _ in range(2)]
        for first in messages:
            first.pop("preview_url")
        assert messages[0] == messages[1]

    def test_before_the_upload(
        self, storage: ObjectStorage, ask_voice: Ask, confirm_voice: Confirm
    ) -> None:
        upload = ask_voice()
        voice = VoiceClone.objects.get(pk=upload["voice_id"])
        answer = confirm_voice(voice)
        assert (answer.status_code, answer.json()["code"]) == (422, "upload_missing")

        assert send(upload, SPEECH).status_code == 200
        assert confirm_voice(voice).status_code == 200

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (samples.TEXT, "unsupported_media"),
            (samples.image(), "unsupported_media"),
            (samples.video(sound=False), "no_sound"),
            (samples.wav(), "silent"),
            (INTERVIEW.read_bytes(), "several_speakers"),
        ],
        ids=["text", "picture", "mute", "silent", "dialogue"],
    )
    def test_what_is_refused_is_removed(
        self,
        storage: ObjectStorage,
        bring: Bring,
        confirm_voice: Confirm,
        api: APIClient,
        content: bytes,
        code: str,
    ) -> None:
        voice = bring(content)

        problem = confirm_voice(voice)

        assert (problem.status_code, problem.json()["code"]) == (409, "upload_rejected")
        assert problem.json()["reason"] == code
        assert api.get("/voices").json()["voices"][0]["rejected"] == code
        voice.refresh_from_db()
        assert (voice.status, voice.rejection) == (MediaStatus.REJECTED, code)
        with pytest.raises(ObjectMissingError):
            storage.head(voice.sample_r2_key)

    @pytest.mark.parametrize("content", [samples.image(), samples.TEXT], ids=["picture", "text"])
    def test_what_is_no_sound_is_told_what_a_sample_is(
        self,
        filesystem_storage: ObjectStorage,
        bring: Bring,
        confirm_voice: Confirm,
        content: bytes,
    ) -> None:
        answer = confirm_voice(bring(content))
        assert answer.json()["detail"].startswith("A voice sample must be a sound")

    def test_too_little_speech(
        self,
        filesystem_storage: ObjectStorage,
        bring: Bring,
        confirm_voice: Confirm,
        short_sound: Samples,
        wav_of: Callable[[Samples], bytes],
    ) -> None:
        answer = confirm_voice(bring(wav_of(short_sound)))
        assert (answer.status_code, answer.json()["reason"]) == (409, "too_little_speech")
        assert answer.json()["detail"] == "A voice sample needs at least 3 seconds of speech."

    def test_an_empty_sample_is_refused_at_once(
        self, filesystem_storage: ObjectStorage, bring: Bring, confirm_voice: Confirm
    ) -> None:
        voice = bring(b"")
        answer, again = confirm_voice(voice), confirm_voice(voice)
        assert (answer.status_code, answer.json()["code"]) == (422, "empty_file")
        assert (again.status_code, again.json()["reason"]) == (409, "empty_file")

    @pytest.mark.parametrize(
        ("difference", "status", "code"),
        [(-1, 413, "file_too_large"), (1, 422, "size_mismatch")],
    )
    def test_another_size_than_was_told(
        self,
        filesystem_storage: ObjectStorage,
        ask_voice: Ask,
        confirm_voice: Confirm,
        difference: int,
        status: int,
        code: str,
    ) -> None:
        upload = ask_voice(size_bytes=len(SPEECH) + difference)
        voice = VoiceClone.objects.get(pk=upload["voice_id"])
        filesystem_storage.write(voice.sample_r2_key, SPEECH, "audio/ogg")  # checked less
        answer = confirm_voice(voice)
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    def test_the_largest_sample(
        self,
        filesystem_storage: ObjectStorage,
        bring: Bring,
        confirm_voice: Confirm,
        settings: Settings,
    ) -> None:
        largest, larger = bring(), bring()
        settings.MAX_VOICE_SAMPLE_BYTES = len(SPEECH)
        assert confirm_voice(largest).status_code == 200
        settings.MAX_VOICE_SAMPLE_BYTES = len(SPEECH) - 1
        assert confirm_voice(larger).status_code == 413

    def test_what_was_confirmed_is_not_replaced(
        self, storage: ObjectStorage, ask_voice: Ask, confirm_voice: Confirm
    ) -> None:
        upload = ask_voice()
        send(upload, SPEECH)
        confirm_voice(VoiceClone.objects.get(pk=upload["voice_id"]))
        # Ours knows the row; S3 knows that the object is there.
        assert send(upload, samples.wav()).status_code in (409, 412)

    def test_another_users_voice(
        self,
        filesystem_storage: ObjectStorage,
        bring: Bring,
        make_user: Callable[..., User],
        client_of: Callable[[User], APIClient],
    ) -> None:
        voice = bring()
        stranger = client_of(make_user())
        for voice_id in (voice.pk, uuid.uuid4()):
            answer = stranger.post(f"/voices/{voice_id}/confirm")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        voice.refresh_from_db()
        assert voice.status == MediaStatus.UPLOADING

    def test_while_the_storage_is_away_nothing_is_decided(
        self,
        s3_storage: PresignedS3Storage,
        use_s3: Callable[..., PresignedS3Storage],
        bring: Bring,
        confirm_voice: Confirm,
        s3_server: str,
    ) -> None:
        voice = bring()
        use_s3("http://127.0.0.1:9")
        answer = confirm_voice(voice)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")

        use_s3(s3_server)
        assert confirm_voice(voice).status_code == 200


@pytest.mark.django_db
def test_the_database_keeps_no_voice_ready_without_consent(make_voice: Bring) -> None:
    with pytest.raises(IntegrityError, match="voice_clones_ready_with_consent"):
        make_voice(consented_at=None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("content", "outcome"), [(SPEECH, "ready"), (samples.TEXT, "rejected")])
def test_many_confirm_at_once(
    filesystem_storage: ObjectStorage, bring: Bring, content: bytes, outcome: str
) -> None:
    voice = bring(content)
    answers = at_once(lambda: uploads.confirm_voice(user_id=voice.user_id, voice_id=voice.pk))
    assert answers == ["done"] * 4
    at_once(lambda: checking.run_check(VOICES, voice.pk))
    voice.refresh_from_db()
    assert (voice.status, voice.check_tries) == (outcome, 1)


@pytest.mark.django_db(transaction=True)
def test_the_last_place_is_given_once(
    filesystem_storage: ObjectStorage, user: User, settings: Settings
) -> None:
    settings.MAX_VOICES = 1
    answers = at_once(
        lambda: uploads.request_voice(
            user_id=user.pk, plan=None, name="Mine", content_type="audio/wav", consent=True
        )
    )
    assert sorted(answers) == ["done"] + ["too_many_voices"] * 3
    assert VoiceClone.objects.count() == 1


def at_once(work: Callable[[], object]) -> list[str]:
    """What four threads get that do the same at once: a problem's code, or ``done``."""
    start = threading.Barrier(4)
    answers: list[str] = []

    def one() -> None:
        start.wait()
        try:
            work()
            answers.append("done")
        except Problem as problem:
            answers.append(problem.default_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
