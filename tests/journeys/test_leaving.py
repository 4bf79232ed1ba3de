"""A user who takes all along, takes back a consent and leaves, while workers are killed."""

import zipfile
from pathlib import Path

import pytest
import requests
from auteur_client import ProblemError

from tests.journeys.client import Person
from tests.journeys.recordings import INTERVIEW
from tests.journeys.stack import JourneyStack
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("stack")

SECONDS = 60.0
RECOVERED_WITHIN = 150.0
LET_TIME_COME = """
from django.db.models.functions import Now
from accounts.models import AccountClosing, User
User.objects.filter(pk="{user_id}").update(closing_at=Now())
AccountClosing.objects.filter(user_id="{user_id}").update(due_at=Now())
"""
WHAT_IS_LEFT = """
from accounts.models import User
from media.storage import object_storage
user = User.objects.get(pk="{user_id}")
left = [one.key for one in object_storage().list_objects("users/{user_id}/")]
print(user.is_active, user.email == "{user_id}@deleted.invalid", len(left))
"""


def test_one_takes_all_along_and_nothing_is_left(
    stack: JourneyStack, person: Person, project_id: str, tmp_path: Path
) -> None:
    media_id = person.media_of(project_id, INTERVIEW)
    job_id = person.transcribe(media_id)
    assert person.wait_for(job_id, SECONDS)["status"] == "completed"
    address = person.get(f"/media/{media_id}")["download_url"]

    person.post("/users/me/export", {"include": ["media"]})
    kill_media_workers(stack)
    exported = until(lambda: ready(person), RECOVERED_WITHIN, interval=0.5)
    with zipfile.ZipFile(person.download(exported, tmp_path / "export.zip")) as archive:
        assert archive.testzip() is None
        assert archive.read(f"media/{media_id}/{INTERVIEW.name}") == INTERVIEW.read_bytes()
        assert job_id in archive.read("jobs.jsonl").decode()

    consent_body = {"kind": "voice", "subject": "Ann", "media_ids": [media_id]}
    consent = f"/consents/{person.post('/consents', consent_body)['id']}"
    person.post(f"{consent}/revoke")
    kill_media_workers(stack)
    until(lambda: person.get(consent)["finished_at"], RECOVERED_WITHIN, interval=0.5)
    receipt = person.get(consent)["receipt"]
    assert receipt["objects_count"] == receipt["removed_count"] > 0
    assert requests.get(address, timeout=10).status_code == 404
    assert "transcript" not in person.get(f"/jobs/{job_id}")["output_data"]

    user_id = person.get("/users/me")["id"]
    person.delete("/users/me")
    with pytest.raises(ProblemError, match="account_closing"):
        person.post("/projects", {"name": "Another"})
    person.post("/users/me/restore")
    person.media_of(str(person.post("/projects", {"name": "Another"})["id"]), INTERVIEW)

    person.delete("/users/me")
    stack.manage("shell", "-c", LET_TIME_COME.format(user_id=user_id))
    kill_media_workers(stack)
    until(lambda: is_refused(person), RECOVERED_WITHIN, interval=0.5)
    until(lambda: left(stack, user_id) == "False True 0", RECOVERED_WITHIN, interval=2)
    stack.manage("ledger_verify")


def kill_media_workers(stack: JourneyStack) -> None:
    for process in [*stack.children("worker-media"), stack.process("worker-media")]:
        process.kill()


def ready(person: Person) -> str:
    results = person.get("/users/me/export")
    return str(results["download_url"] or "") if results["status"] == "ready" else ""


def is_refused(person: Person) -> bool:
    try:
        person.get("/users/me")
    except ProblemError as exc:
        return exc.code == "account_deleted"
    return False


def left(stack: JourneyStack, user_id: str) -> str:
    return stack.manage("shell", "-c", WHAT_IS_LEFT.format(user_id=user_id)).splitlines()[-1]
