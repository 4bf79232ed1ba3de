"""A file too large for one request, by the client that scripts use."""

import wave

import pytest

from media.storage.multipart import MULTIPART_BYTES, PART_BYTES

pytestmark = pytest.mark.xdist_group("stack")

RATE = 1_000_000


def test_a_large_file_is_sent_in_parts(person, project_id, tmp_path):
    file = tmp_path / "silence.wav"
    with wave.open(str(file), "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(RATE)
        for _ in range(MULTIPART_BYTES // (2 * RATE) + 1):
            output.writeframes(bytes(2 * RATE))
    size = file.stat().st_size
    assert MULTIPART_BYTES < size < MULTIPART_BYTES + PART_BYTES

    media_id = person.media_of(project_id, file)

    media = person.get(f"/media/{media_id}")
    assert (media["status"], media["file_size_bytes"]) == ("ready", size)
    assert person.get("/users/me")["storage"]["used_bytes"] == size
