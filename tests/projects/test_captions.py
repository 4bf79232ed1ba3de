"""Captions and plain text, as the film has been edited."""

import re
import uuid
from collections.abc import Callable
from textwrap import wrap
from typing import Any

import pytest
from pymongo.collection import Collection
from rest_framework.test import APIClient

from gpu_tasks.render.contract.captions import DEFAULT
from projects import captions
from projects.models import Project
from tests.projects.timeline.making import OTHER_MEDIA, clip, segment, track


def document(*segments: dict[str, Any], tracks: list[dict[str, Any]] | None = None) -> Any:
    return {"tracks": tracks or [], "transcript": {"segments": list(segments)}}


def told(of: Any, times: captions.Times | None = None) -> list[tuple[str, int, int]]:
    return [(word.text, word.start_ms, word.end_ms) for word in captions.list_words(of, times)]


SAID = segment("s", 1000, "one two three four")


def test_without_clips_the_times_are_the_medias() -> None:
    assert told(document(SAID))[:2] == [("one", 1000, 1400), ("two", 1500, 1900)]


def test_on_a_timeline_the_times_are_the_films() -> None:
    clips = [clip("b", 0, 2000, 3000), clip("a", 5000, 1000, 2000)]
    fast = [clip("c", 0, 1000, 3000, effects=[{"type": "speed", "rate": 2}])]
    of = document(SAID, tracks=[track(*clips)])

    assert told(of) == [
        ("three", 0, 400),
        ("four", 500, 900),
        ("one", 5000, 5400),
        ("two", 5500, 5900),
    ]
    assert told(document(SAID, tracks=[track(*fast)]))[:2] == [("one", 0, 200), ("two", 250, 450)]
    assert [word for word, _, _ in told(of, "source")] == SAID["text"].split()


def test_what_no_clip_plays_is_not_told() -> None:
    gone = clip("a", 0, 0, 4000, deleted=True)
    other_items = clip("b", 4000, 0, 4000, media=OTHER_MEDIA)

    assert told(document(SAID, tracks=[track(gone, other_items)])) == []
    assert told(document(SAID, tracks=[track(clip("a", 0, 2600, 4000))])) == [("four", 0, 300)]


def test_picture_and_sound_of_one_recording_are_told_once() -> None:
    both = [track(clip("a", 0, 0, 4000)), track(clip("b", 0, 0, 4000), name="s", kind="audio")]

    assert len(told(document(SAID, tracks=both))) == 4


def test_the_language_is_told_where_all_words_have_the_same() -> None:
    english, german = SAID | {"language": "en"}, SAID | {"language": "de", "media_file_id": "m"}
    silent = german | {"words": [], "text": ""}

    def language(*segments: dict[str, Any]) -> str:
        return captions.find_language(captions.list_words(document(*segments)), segments)

    assert language(english, english, silent) == "en"
    assert language(english, german) == "mul"
    assert language(english, SAID) == language(SAID) == language() == "und"


def with_words(*marks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    words = [word | mark for word, mark in zip(SAID["words"], marks, strict=True)]
    return SAID | {"words": words} | fields


def test_deleted_words_are_left_out_and_edited_ones_shown() -> None:
    edited = with_words({}, {"deleted": True}, {"edited_word": "drei"}, {"edited_word": " "})

    assert told(document(edited)) == [("one", 1000, 1400), ("drei", 2000, 2400)]
    assert told(document(SAID | {"deleted": True})) == []


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("1 2 3 4", [("1", 1000, 1400), ("2", 1500, 1900), ("3", 2000, 2400), ("4", 2500, 2900)]),
        ("a b", [("a", 1000, 1950), ("b", 1950, 2900)]),
        (" ", []),
    ],
)
def test_edited_text_takes_the_time_of_the_words(text: str, times: list[Any]) -> None:
    assert told(document(SAID | {"edited_text": text})) == times


def test_a_segment_without_words_is_told_all_the_same() -> None:
    assert told(document(SAID | {"words": []}))[0] == ("one", 1000, 1500)
    assert told(document(SAID | {"words": [], "text": ""})) == []


def test_a_cue_fits_as_many_lines_as_are_asked_for() -> None:
    long = segment("l", 0, " ".join(f"word{number:03}" for number in range(40)))
    words = captions.list_words(document(long))

    for lines, length in ((1, 8), (1, 15), (3, 20), (4, 20)):
        cues = captions.build_cues(words, lines=lines, line_length=length)
        assert max(len(wrap(cue.text, length)) for cue in cues) == lines
        assert [word for cue in cues for word in cue.words] == words


def test_a_cue_fits_two_lines_and_few_seconds_and_has_one_speaker() -> None:
    long = segment("l", 0, " ".join(f"word{number:03}" for number in range(120)))
    other = segment("o", 60_000, "yes", speaker="Speaker 2")
    late = segment("p", 63_000, "later", speaker="Speaker 2")

    cues = captions.build_styled_cues(document(long, other, late), None)

    assert [cue.text for cue in cues[-2:]] == ["yes", "later"]
    for cue in cues:
        assert len(wrap(cue.text, DEFAULT.max_line_length)) <= DEFAULT.max_lines
        assert 0 < cue.end_ms - cue.start_ms <= captions.MAX_CUE_MS


@pytest.fixture
def spoken(project: Project, edls: Collection[dict[str, Any]]) -> Callable[..., None]:
    def speak(*segments: dict[str, Any], tracks: list[dict[str, Any]] | None = None) -> None:
        edls.update_one(
            {"project_id": str(project.pk)},
            {"$set": {"transcript.segments": list(segments), "tracks": tracks or []}},
        )

    return speak


def get(api: APIClient, project: Project, kind: str, **query: str) -> Any:
    return api.get(f"/projects/{project.pk}/transcript.{kind}", query)


TWO = (SAID, segment("t", 4000, "<five> & --> six", speaker="A <B>"))


@pytest.mark.django_db
class TestFiles:
    def test_subrip(self, api: APIClient, project: Project, spoken: Callable[..., None]) -> None:
        spoken(*TWO)

        response = get(api, project, "srt")

        assert response["Content-Type"] == "application/x-subrip; charset=utf-8"
        assert response.content.decode() == (
            "1\n00:00:01,000 --> 00:00:02,900\nSpeaker 1: one two three four\n"
            "\n"
            "2\n00:00:04,000 --> 00:00:05,900\nA <B>: <five> & -> six\n"
        )

    def test_webvtt(self, api: APIClient, project: Project, spoken: Callable[..., None]) -> None:
        spoken(*TWO)

        response = get(api, project, "vtt")

        assert response["Content-Type"] == "text/vtt; charset=utf-8"
        assert response.content.decode() == (
            "WEBVTT\n"
            "\n"
            "00:00:01.000 --> 00:00:02.900\n"
            "<v Speaker 1>one <00:00:01.500>two <00:00:02.000>three <00:00:02.500>four</v>\n"
            "\n"
            "00:00:04.000 --> 00:00:05.900\n"
            "<v A &lt;B&gt;>&lt;five&gt; <00:00:04.500>&amp; <00:00:05.000>--&gt; "
            "<00:00:05.500>six</v>\n"
        )

    def test_plain(self, api: APIClient, project: Project, spoken: Callable[..., None]) -> None:
        spoken(SAID)
        alone = get(api, project, "txt")
        spoken(*TWO)
        both = get(api, project, "txt")

        assert alone["Content-Type"] == "text/plain; charset=utf-8"
        assert alone.content.decode() == "one two three four\n"
        assert both.content.decode() == (
            "Speaker 1: one two three four\n\nA <B>: <five> & --> six\n"
        )

    def test_json(self, api: APIClient, project: Project, spoken: Callable[..., None]) -> None:
        assert get(api, project, "json").json() == {"duration": 0, "language": "und", "words": []}
        spoken(SAID)
        response = get(api, project, "json")

        assert response["Content-Type"] == "application/json; charset=utf-8"
        body = response.json()
        assert body["duration"] == body["words"][-1]["end"] == 2.9
        assert body["words"][0] == {"text": "one", "start": 1.0, "end": 1.4}
        assert [word["text"] for word in body["words"]] == SAID["text"].split()

    def test_cues_have_the_lines_of_the_captions_style(
        self, api: APIClient, project: Project, spoken: Callable[..., None]
    ) -> None:
        spoken(segment("l", 0, " ".join(f"word{number:03}" for number in range(12))))
        style = {"max_lines": 1, "max_line_length": 16}
        operations = [{"op": "set_captions_style", "style": style}]
        answer = api.patch(f"/projects/{project.pk}/edl", {"operations": operations}, format="json")
        assert answer.status_code == 200

        for kind in ("srt", "vtt"):
            blocks = get(api, project, kind).content.decode().split("\n\n")
            texts = [re.sub("<.*?>", "", block.splitlines()[-1]) for block in blocks[-6:]]
            assert texts == [f"word{n:03} word{n + 1:03}" for n in range(0, 12, 2)]

    @pytest.mark.parametrize(("kind", "empty"), [("srt", ""), ("vtt", "WEBVTT\n"), ("txt", "")])
    def test_silence(self, api: APIClient, project: Project, kind: str, empty: str) -> None:
        assert get(api, project, kind).content.decode() == empty

    def test_times_may_be_chosen(
        self, api: APIClient, project: Project, spoken: Callable[..., None]
    ) -> None:
        spoken(SAID, tracks=[track(clip("a", 0, 1000, 1500, media=str(uuid.UUID(int=1))))])

        film = get(api, project, "srt").content.decode()
        source = get(api, project, "srt", times="source").content.decode()
        other = get(api, project, "srt", times="other")

        assert re.findall(r"(\S+) -->", film) == ["00:00:00,000"]
        assert re.findall(r"(\S+) -->", source) == ["00:00:01,000"]
        assert (other.status_code, other.json()["errors"][0]["field"]) == (400, "times")

    @pytest.mark.parametrize("accepted", ["text/vtt", "application/json", "*/*", "image/png"])
    def test_whatever_a_player_accepts(
        self, api: APIClient, project: Project, accepted: str
    ) -> None:
        path = f"/projects/{project.pk}/transcript.vtt"

        assert api.get(path, headers={"Accept": accepted}).status_code == 200
