"""The voice among a feature's parameters: the user's, and confirmed."""

import uuid
from typing import Any

import pytest
from django.utils import timezone

from auteur.core.api.problems import NotFoundProblem, Problem
from jobs.features.base import to_stored_parameters
from jobs.features.parameters import Parameters, VoiceField, VoiceNotReadyProblem
from media.models import MediaStatus, VoiceClone

pytestmark = pytest.mark.django_db


class Speaking(Parameters):
    """A feature that may speak with a voice."""

    voice_id = VoiceField(required=False)


def make_voice(owner: Any, status: MediaStatus = MediaStatus.READY) -> VoiceClone:
    return VoiceClone.objects.create(
        user=owner,
        name="Mine",
        status=status,
        sample_r2_key=f"users/{owner.pk}/voices/{uuid.uuid4()}/sample.wav",
        consent_statement="Yes.",
        consented_at=timezone.now(),
    )


def validated(user: Any, voice_id: Any) -> dict[str, Any]:
    parameters = Speaking(data={"voice_id": voice_id}, context={"user_id": user.pk})
    parameters.is_valid(raise_exception=True)
    return dict(parameters.validated_data)


def test_a_ready_voice_of_the_user(user):
    voice = make_voice(user)
    assert validated(user, str(voice.pk)) == {"voice_id": voice}
    assert to_stored_parameters({"voice_id": voice}) == {"voice_id": str(voice.pk)}


def test_another_users_voice_is_not_there(user, make_user):
    for voice_id in (make_voice(make_user()).pk, uuid.uuid4()):
        with pytest.raises(NotFoundProblem) as caught:
            validated(user, str(voice_id))
        assert caught.value.extra["errors"][0]["field"] == "voice_id"


@pytest.mark.parametrize("status", [MediaStatus.UPLOADING, MediaStatus.REJECTED])
def test_a_voice_without_a_confirmed_sample(user, status):
    with pytest.raises(VoiceNotReadyProblem) as caught:
        validated(user, str(make_voice(user, status).pk))
    problem: Problem = caught.value
    assert (problem.status_code, problem.default_code) == (422, "voice_not_ready")
    assert problem.extra["errors"][0] == {
        "field": "voice_id",
        "code": "voice_not_ready",
        "detail": "The voice's sample has not been confirmed. Confirm it first.",
    }


def test_what_is_no_id(user):
    parameters = Speaking(data={"voice_id": "mine"}, context={"user_id": user.pk})
    assert not parameters.is_valid()
