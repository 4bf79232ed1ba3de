"""Files that are not what they are said to be, or that are made to do harm."""

import json
import resource
from typing import Any

import pytest

from gpu_tasks.runtime.errors import InputRefusedError
from projects.interchange import foreign, guarding, limits, sandboxing, terms
from projects.interchange.formats import FORMATS
from projects.interchange.sandboxing import UnreadableFileProblem, get_tracks
from projects.interchange.terms import ForeignTrack

ENTITIES = '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
REF = {"OTIO_SCHEMA": "SerializableObjectRef.1", "id": "Track-1"}
RANGE = {
    "OTIO_SCHEMA": "TimeRange.1",
    "start_time": {"OTIO_SCHEMA": "RationalTime.1", "value": 0, "rate": 25},
    "duration": {"OTIO_SCHEMA": "RationalTime.1", "value": 10, "rate": 25},
}


def otio(*children: Any, **track: Any) -> str:
    """A timeline of one track."""
    values = {"OTIO_SCHEMA": "Track.1", "kind": "Video", "children": children, **track}
    stack = {"OTIO_SCHEMA": "Stack.1", "children": [values]}
    return json.dumps({"OTIO_SCHEMA": "Timeline.1", "tracks": stack})


def item(schema: str, **fields: Any) -> dict[str, Any]:
    return {"OTIO_SCHEMA": schema, "name": "x", "source_range": RANGE, **fields}


def read(text: str, form: str) -> list[ForeignTrack]:
    """What a child would read."""
    return get_tracks(foreign.read(text, form, 25.0))


def xml(media: str) -> str:
    rate = "<rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate>"
    return f"<xmeml><sequence><name>x</name>{rate}<media>{media}</media></sequence></xmeml>"


def clip_item(inside: str) -> str:
    times = "<start>0</start><end>9</end><in>0</in><out>9</out>"
    return f"<video><track><clipitem>{times}{inside}</clipitem></track></video>"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", ["", "\0", "hello", "{", "[]", "<a>", "null", "1", '{"a": 1}'])
def test_what_is_of_no_format_is_refused(text: str, form: str) -> None:
    with pytest.raises(InputRefusedError):
        read(text, form)


@pytest.mark.parametrize(
    "text",
    [
        f"<!DOCTYPE xmeml [{ENTITIES}]><xmeml>&b;</xmeml>",
        '<!DOCTYPE xmeml SYSTEM "file:///etc/passwd"><xmeml/>',
        '<!DOCTYPE xmeml PUBLIC "a" "http://localhost/a.dtd"><xmeml/>',
        "<!DOCTYPE other><xmeml/>",
        "<xmeml/>",
        "<fcpxml/>",
        "<xmeml>" + "<a>" * 100 + "</a>" * 100 + "</xmeml>",
        "<xmeml>" + "<a/>" * guarding.MAX_ELEMENTS + "</xmeml>",
        xml(clip_item("<file><pathurl>" + "x" * terms.MAX_URL_LENGTH + "x</pathurl></file>")),
        xml("<video/>").replace("<sequence>", "<sequence><media/></sequence><sequence>"),
        xml("<video><track><clipitem/></track></video>"),
    ],
    ids=lambda text: text[:40],
)
def test_xml_that_is_none_or_multiplies_is_refused(text: str) -> None:
    with pytest.raises(InputRefusedError):
        read(text, "fcp_xml")


@pytest.mark.parametrize("text", ["<!DOCTYPE fcpxml><fcpxml/>", "<fcpxml version='1.9'/>"])
def test_files_of_final_cut_pro_x_are_refused_as_such(text: str) -> None:
    with pytest.raises(InputRefusedError) as raised:
        read(text, "fcp_xml")
    assert "Final Cut Pro X" in raised.value.detail


def test_a_time_within_a_frame_is_refused() -> None:
    text = xml(clip_item("<file><name>a</name></file>")).replace("<out>9<", "<out>9.5<")
    with pytest.raises(InputRefusedError) as raised:
        read(text, "fcp_xml")
    assert "9.5" in raised.value.detail


def test_the_document_type_that_editors_write_is_read() -> None:
    (track,) = read("<!DOCTYPE xmeml>" + xml(clip_item("<file><name>a</name></file>")), "fcp_xml")

    assert [(piece.end_ms, piece.source.names) for piece in track.pieces] == [(360, ("a",))]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"a":' + "[" * 500 + "]" * 500 + "}",
        otio(REF),
        otio(item("Clip.1", source_range={})),
        otio(item("Clip.1", source_range=None)),
        otio({"OTIO_SCHEMA": "Nonsense.1"}).replace("Timeline.1", "Nonsense.1"),
        otio(item("Clip.1")).replace('"rate": 25', '"rate": 0'),
        otio(item("Clip.1")).replace('"value": 10', '"value": 1e300'),
        otio(item("Clip.1")).replace('"value": 10', '"value": NaN'),
        otio(item("Nonsense.1")),
        otio(item("Clip.1")).replace('"kind"', '"kind": "Audio", "kind"'),
        json.dumps(item("Clip.1")),
    ],
    ids=lambda text: text[:40],
)
def test_json_that_is_no_timeline_is_refused(text: str) -> None:
    with pytest.raises(InputRefusedError):
        read(text, "otio")


EVENT = "001  AX V C 00:00:00:00 00:00:01:00 {} {}\n* FROM CLIP NAME: a.mov\n"


@pytest.mark.parametrize(
    "text",
    [
        EVENT.format("00:00:00:00", "00:00:02:00"),
        EVENT.format("00:00:00:00", "00:00:77:99"),
        EVENT.format("00:00:00:00", "00:00:01:00") * guarding.MAX_EVENT_LINES * 2,
        EVENT.format("00:00:00:00", "00:00:01:00") + "* " + "x" * guarding.MAX_LINE_LENGTH,
    ],
    ids=["lengths differ", "no time", "too many", "long line"],
)
def test_edit_lists_that_are_none_are_refused(text: str) -> None:
    with pytest.raises((InputRefusedError, limits.CannotHoldProblem)):
        read(text, "cmx3600")


def test_the_hours_of_a_tape_are_not_the_films() -> None:
    (track,) = read(EVENT.format("01:00:02:00", "01:00:03:00"), "cmx3600")

    assert [(piece.begin_ms, piece.end_ms) for piece in track.pieces] == [(2000, 3000)]


def test_fades_from_and_to_nothing_are_the_clips_own() -> None:
    gap = {"OTIO_SCHEMA": "Gap.1", "source_range": RANGE}
    offset = {"OTIO_SCHEMA": "RationalTime.1", "value": 5, "rate": 25}
    fade = {
        "OTIO_SCHEMA": "Transition.1",
        "transition_type": "SMPTE_Dissolve",
        "in_offset": {**offset, "value": 0},
        "out_offset": offset,
    }
    (track,) = read(otio(gap, fade, item("Clip.1"), fade, gap), "otio")

    (piece,) = track.pieces
    assert (piece.fade_in_ms, piece.cross_fade_ms, piece.fade_out_ms) == (200, 0, 200)
    assert (piece.begin_ms, piece.end_ms) == (400, 1000)


def in_file(parts: str, clips: int = 1, name: str = "id='f'") -> str:
    """Clips of one file, which is told with the first."""
    single = "<clipitem><start>0</start><end>9</end><in>0</in><out>9</out>{}</clipitem>"
    first = single.format(f"<file {name}>{parts}</file>")
    return xml(
        f"<video><track>{first}{single.format(f'<file {name}/>') * (clips - 1)}</track></video>"
    )


def metadata(value: Any) -> str:
    return otio(item("Clip.1"), metadata={"auteur": value})


DUPLICATE = (
    metadata("X")
    .replace('"X"', json.dumps(REF))
    .replace('"metadata": {', '"metadata": {}, "metadata": {')
)
SANDBOXED = {
    "large xml": (in_file("<a/>" * 20 + "x" * 1000, 1000), ""),
    "large otio": (otio(*[item("Clip.1", metadata={"a": ["x"] * 30})] * 2000), ""),
    "large file in all clips": (in_file("<a>" + "x" * 750_000 + "</a>", 1990), ""),
    "hidden reference": (DUPLICATE, "refers to parts of itself"),
    "a list": ("[" + "[]," * 2_700_000 + "[]]", ""),
    "long list": (metadata([0] * foreign.MAX_OWN_VALUES), "too much metadata"),
}


@pytest.mark.parametrize("name", SANDBOXED)
def test_what_would_take_too_much_takes_it_from_a_child(name: str) -> None:
    text, output = SANDBOXED[name]
    form = "fcp_xml" if text.startswith("<") else "otio"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if name.startswith("large"):
        assert len(sandboxing.read(text, form, 25.0)[0].pieces) >= 1000
    else:
        with pytest.raises(UnreadableFileProblem) as raised:
            sandboxing.read(text, form, 25.0)
        assert output in str(raised.value.detail)
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < 100_000_000


@pytest.mark.parametrize(
    "timeline",
    [
        {"tracks": None},
        {"tracks": {"OTIO_SCHEMA": "Stack.1", "children": [item("Clip.1")]}},
        {"tracks": {"OTIO_SCHEMA": "Stack.1", "children": [item("Gap.1")]}},
        {"tracks": item("Clip.1")},
        {"tracks": []},
        {},
    ],
    ids=str,
)
def test_a_timeline_without_tracks_is_told_so(timeline: dict[str, Any]) -> None:
    with pytest.raises((InputRefusedError, limits.CannotHoldProblem)):
        read(json.dumps({"OTIO_SCHEMA": "Timeline.1", **timeline}), "otio")
