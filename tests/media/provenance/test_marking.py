"""Results are signed in their place: real files of each format, read back by the library."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from auteur.core.api.problems import UnavailableProblem
from gpu_tasks.runtime.errors import EngineError, InputRefusedError
from media.limits import MARKING
from media.models import MediaType
from media.probing import probe
from media.provenance import credentials
from media.provenance.source_types import (
    ALTERED,
    ASSEMBLED,
    TRANSCODED,
    SourceType,
    find_source_type,
)
from media.storage import object_storage
from tests.media import samples
from tests.media.provenance.conftest import MODEL, content_of, mark, read, source_of, statement

TRAINED = SourceType.TRAINED_ALGORITHMIC_MEDIA
COMPOSITE = SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA
FILES: dict[str, Callable[[], bytes]] = {
    "video/mp4": samples.video,
    "video/quicktime": lambda: samples.video(container="mov"),
    "audio/wav": samples.wav,
    "image/png": samples.image,
    "image/jpeg": lambda: samples.photo(1),
    "audio/mpeg": samples.song_with_cover,
    "audio/mp4": lambda: samples.video(sound=True),
}
WITH_XMP = {"video/mp4", "audio/wav", "image/png", "audio/mp4"}


@pytest.mark.parametrize("content_type", FILES)
def test_a_result_says_that_it_is_generated_and_by_what(stored, content_type: str):
    content = FILES[content_type]()
    key = stored(content, content_type)
    marked = mark(key, content_type, statement())
    assert marked.credentials["status"] == "signed"
    assert marked.credentials["digital_source_type"] == TRAINED.uri
    assert marked.size_bytes == len(content_of(key)) > len(content)
    assert object_storage().head(key).content_type == content_type
    found = read(key, content_type)
    assert found.is_ours
    assert (found.report["validation_state"], found.report["problems"]) == ("Trusted", [])
    manifest = found.report["manifest"]
    assert manifest["signed_by"]["serial_number"] == marked.credentials["certificate"]
    assert manifest["generator"].startswith("Auteur ")
    [created] = manifest["actions"]
    assert created["action"] == "c2pa.created"
    assert find_source_type(created["digital_source_type"]) is TRAINED
    assert created["software_agent"] == MODEL.replace("@", " ")
    assert (TRAINED.uri.encode() in content_of(key)) is True
    assert (b"Iptc4xmpExt:DigitalSourceType" in content_of(key)) == (content_type in WITH_XMP)


@pytest.mark.parametrize("content_type", ["video/mp4", "audio/wav", "image/png"])
def test_it_plays_as_before(stored, content_type: str):
    content = FILES[content_type]()
    key = stored(content, content_type)
    before = probe(object_storage().probe_source(key))
    marked = mark(key, content_type, statement())
    assert probe(object_storage().probe_source(key)) == marked.probe == before


def test_signed_again_after_a_crash_it_is_left_alone(stored):
    key = stored(samples.image(), "image/png")
    first = mark(key, "image/png", statement())
    content = content_of(key)
    assert mark(key, "image/png", statement()) == first
    assert content_of(key) == content


def test_a_file_without_a_place_for_credentials_is_left_as_it_is(stored):
    content = samples.video(container="webm")
    key = stored(content, "video/webm")
    marked = mark(key, "video/webm", statement())
    assert marked.credentials == {"status": "unsupported", "digital_source_type": TRAINED.uri}
    assert (marked.probe.type, content_of(key)) == (MediaType.VIDEO, content)
    assert read(key, "video/webm").not_read == "unsupported_format"


def test_without_a_certificate_nobody_signs(stored, settings):
    settings.C2PA_CERTIFICATE_PATH = settings.C2PA_PRIVATE_KEY = ""
    content = samples.image()
    key = stored(content, "image/png")
    assert mark(key, "image/png", statement()).credentials["status"] == "off"
    assert content_of(key) == content


def test_a_result_above_the_bound_is_left_as_it_is(stored, settings):
    content = samples.wav()
    key = stored(content, "audio/wav")
    settings.C2PA_MAX_BYTES = len(content) - 1
    assert mark(key, "audio/wav", statement()).credentials["status"] == "too_large"
    assert content_of(key) == content
    settings.C2PA_MAX_BYTES = len(content)
    assert mark(key, "audio/wav", statement()).credentials["status"] == "signed"


def test_where_the_size_that_was_asked_for_has_no_room_it_stays_unsigned(stored):
    content = samples.video()
    key = stored(content, "video/mp4")
    source = source_of(stored(content, "video/mp4"), "video/mp4")
    said = statement(TRANSCODED, None, (source,), most_bytes=len(content))
    marked = mark(key, "video/mp4", said)
    assert (marked.credentials["status"], marked.size_bytes) == ("no_room", len(content))
    assert content_of(key) == content


def test_with_an_expired_certificate_results_wait(stored, signs_as):
    signs_as(until=datetime.now(UTC) - timedelta(seconds=1))
    content = samples.image()
    key = stored(content, "image/png")
    with pytest.raises(UnavailableProblem):
        mark(key, "image/png", statement())
    assert content_of(key) == content


@pytest.mark.parametrize("wrong", [{"file_bytes": 1000}, {"cpu_seconds": 0}])
def test_a_signing_process_that_dies_loses_no_film(stored, monkeypatch, wrong: dict[str, int]):
    monkeypatch.setattr(credentials, "MARKING", dataclasses.replace(MARKING, **wrong))
    content = samples.video()
    key = stored(content, "video/mp4")
    plain = mark(key, "video/mp4", statement(ASSEMBLED, SourceType.COMPOSITE))
    assert (plain.credentials["status"], plain.probe.type) == ("failed", "video")
    assert content_of(key) == content
    with pytest.raises(EngineError, match="could not be marked"):
        mark(key, "video/mp4", statement())
    with pytest.raises(InputRefusedError):
        mark(stored(b"no film", "video/mp4"), "video/mp4", statement(ASSEMBLED, None))


def test_what_is_generated_is_not_delivered_where_it_cannot_be_signed(stored):
    """FFmpeg plays it; its boxes are no file of the promised format."""
    content = samples.video(container="webm")
    key = stored(content, "video/mp4")
    with pytest.raises(EngineError, match="could not be marked"):
        mark(key, "video/mp4", statement())
    plain = mark(key, "video/mp4", statement(ASSEMBLED, SourceType.COMPOSITE))
    assert plain.credentials["status"] == "failed"
    assert content_of(key) == content


class TestLineage:
    def test_what_is_made_of_another_takes_its_credentials_along(self, stored):
        film = stored(samples.video(), "video/mp4")
        mark(film, "video/mp4", statement())
        source = source_of(film, "video/mp4", TRAINED)
        key = stored(samples.video(sound=False), "video/mp4")
        mark(key, "video/mp4", statement(TRANSCODED, TRAINED, (source,)))
        found = read(key, "video/mp4")
        assert (found.report["validation_state"], found.report["problems"]) == ("Trusted", [])
        manifest = found.report["manifest"]
        assert [one["action"] for one in manifest["actions"]] == ["c2pa.opened", "c2pa.transcoded"]
        assert manifest["ingredients"] == [
            {
                "title": str(source.media_id),
                "instance_id": f"xmp:iid:{source.media_id}",
                "relationship": "parentOf",
                "has_credentials": True,
            }
        ]

    def test_sources_without_credentials_are_named(self, stored):
        film, sound = (
            stored(samples.video(), "video/mp4"),
            stored(samples.wav(), "audio/wav"),
        )
        sources = (source_of(film, "video/mp4"), source_of(sound, "audio/wav"))
        key = stored(samples.video(), "video/mp4")
        mark(key, "video/mp4", statement(ALTERED, COMPOSITE, sources))
        manifest = read(key, "video/mp4").report["manifest"]
        assert [one["relationship"] for one in manifest["ingredients"]] == [
            "parentOf",
            "componentOf",
        ]
        assert not any(one["has_credentials"] for one in manifest["ingredients"])
        done = {one["action"]: one["digital_source_type"] for one in manifest["actions"]}
        assert done == {"c2pa.opened": None, "c2pa.edited": COMPOSITE.uri, "c2pa.placed": None}

    def test_no_more_sources_are_read_than_the_bound(self, stored, monkeypatch):
        monkeypatch.setattr(credentials, "MAX_READ_SOURCES", 1)
        made = stored(samples.image(), "image/png")
        mark(made, "image/png", statement())
        sources = (source_of(made, "image/png"), source_of(made, "image/png", TRAINED))
        key = stored(samples.wav(), "audio/wav")
        mark(key, "audio/wav", statement(ASSEMBLED, COMPOSITE, sources))
        named = read(key, "audio/wav").report["manifest"]["ingredients"]
        own = {one["title"]: one["has_credentials"] for one in named}
        assert own == {str(sources[0].media_id): False, str(sources[1].media_id): True}

    def test_a_source_that_is_damaged_or_gone_is_named(self, stored):
        broken = stored(b"no film at all" * 100, "video/mp4")
        key = stored(samples.video(), "video/mp4")
        said = statement(ASSEMBLED, COMPOSITE, (source_of(broken, "video/mp4"),))
        assert mark(key, "video/mp4", said).credentials["status"] == "signed"
        [named] = read(key, "video/mp4").report["manifest"]["ingredients"]
        assert (named["relationship"], named["has_credentials"]) == ("componentOf", False)


class TestReading:
    def test_a_file_that_was_changed_does_not_hold(self, stored):
        key = stored(samples.wav(), "audio/wav")
        mark(key, "audio/wav", statement())
        content = bytearray(content_of(key))
        content[1000] ^= 1
        other = stored(bytes(content), "audio/wav")
        found = read(other, "audio/wav")
        assert (found.report["validation_state"], found.is_ours) == ("Invalid", False)
        assert any("dataHash.mismatch" in code for code in found.report["problems"])

    def test_what_somebody_else_has_signed_is_not_ours(self, stored, signs_as):
        key = stored(samples.image(), "image/png")
        mark(key, "image/png", statement())
        signs_as()
        found = read(key, "image/png")
        assert (found.report["validation_state"], found.is_ours) == ("Valid", False)
        assert any("untrusted" in code for code in found.report["problems"])

    def test_credentials_of_another_file_do_not_hold(self, stored):
        key = stored(samples.wav(), "audio/wav")
        mark(key, "audio/wav", statement())
        content = content_of(key)
        chunk = content[content.index(b"C2PA") :]
        foreign = bytearray(samples.wav(frames=8000)) + chunk
        foreign[4:8] = (len(foreign) - 8).to_bytes(4, "little")
        found = read(stored(bytes(foreign), "audio/wav"), "audio/wav")
        assert found.report["validation_state"] == "Invalid"

    def test_a_file_that_says_nothing(self, stored):
        found = read(stored(samples.video(), "video/mp4"), "video/mp4")
        assert (found.not_read, found.report, found.is_ours) == (None, None, False)

    def test_hostile_credentials_are_no_more_than_invalid(self, stored):
        key = stored(samples.wav(), "audio/wav")
        mark(key, "audio/wav", statement())
        content = content_of(key)
        at = content.index(b"C2PA") + 8
        broken = content[:at] + bytes([255]) * 200 + content[at + 200 :]
        found = read(stored(broken, "audio/wav"), "audio/wav")
        assert found.report is None or found.report["validation_state"] == "Invalid"

    def test_files_above_the_bound_are_not_read(self, stored):
        content = samples.wav()
        key = stored(content, "audio/wav")
        assert read(key, "audio/wav", most_bytes=len(content)).not_read is None
        assert read(key, "audio/wav", most_bytes=len(content) - 1).not_read == "too_large"
