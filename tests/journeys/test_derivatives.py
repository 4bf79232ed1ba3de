"""Pictures and waveforms as a user sees them come, on the whole running stack."""

import pytest
import requests

from tests.journeys.recordings import BROKEN
from tests.media.films import film, halves, tone
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("stack")

DONE_WITHIN = 60.0


@pytest.fixture
def holiday(tmp_path):
    """Two seconds of film with sound."""
    file = tmp_path / "holiday.mp4"
    file.write_bytes(film([halves(40, 220)] * 20, sound=tone(2.0), rotation=90))
    return file


def ended(person, media_id):
    """The media file, once its derivatives are made or given up."""

    def look():
        media = person.get(f"/media/{media_id}")
        return media if media["derivatives"]["status"] in ("done", "failed") else None

    return until(look, DONE_WITHIN, interval=0.2)


def test_a_film_gets_its_pictures_and_its_waveform(person, project_id, holiday):
    media = ended(person, person.media_of(project_id, holiday))
    assert media["derivatives"] == {"status": "done", "progress": 1.0}
    assert (media["sprite"]["tile_width"], media["sprite"]["tile_height"]) == (64, 96)
    for name, kind in (
        ("thumbnail_url", "image/jpeg"),
        ("sprite_url", "image/jpeg"),
        ("peaks_url", "application/json"),
    ):
        answer = requests.get(media[name], timeout=10)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
    listed = person.get(f"/projects/{project_id}/media")["media"]
    assert [bool(row["thumbnail_url"]) for row in listed] == [True]
    thumbnail_url = person.get(f"/projects/{project_id}")["thumbnail_url"]
    pictures = [requests.get(url, timeout=10) for url in (thumbnail_url, media["thumbnail_url"])]
    assert (pictures[0].status_code, pictures[0].content) == (200, pictures[1].content)


def test_sound_that_does_not_decode_leaves_the_pictures(person, project_id):
    media = ended(person, person.media_of(project_id, BROKEN))
    assert (media["status"], media["derivatives"]["status"]) == ("ready", "done")
    assert (bool(media["thumbnail_url"]), media["peaks_url"]) == (True, None)


def test_redis_killed_with_all_its_messages_costs_only_time(stack, person, project_id, holiday):
    stack.process("redis").kill()
    media_id = person.media_of(project_id, holiday)
    assert ended(person, media_id)["derivatives"]["status"] == "done"
