"""Any JSON Patch: taken with all rules kept, or refused by a problem, and nothing in between."""

from typing import Any

import bson
import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import APIException

from projects.documents import MAX_OPERATIONS
from projects.timeline import changes, patching, rules
from projects.timeline.content import Content
from projects.timeline.session import Needs
from tests.projects.timeline.making import refused
from tests.projects.timeline.test_properties import first
from tests.properties import examples

PARTS = st.sampled_from(
    [
        "tracks",
        "clips",
        "effects",
        "transcript",
        "segments",
        "words",
        "cut",
        "id",
        "deleted",
        "start_ms",
        "text",
        "edited_text",
        "word",
        "0",
        "1",
        "2",
        "-",
        "-1",
        "00",
        "",
        "~0",
        "x",
    ]
)
ROOTS = st.sampled_from(["/tracks", "/tracks/0/clips", "/transcript/segments", "/tracks/0", ""])
PATHS = st.builds(lambda root, parts: "/".join([root, *parts]), ROOTS, st.lists(PARTS, max_size=4))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PARTS, inner, max_size=4),
    max_leaves=6,
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": PATHS},
    optional={"from": PATHS, "value": VALUES},
)


@pytest.mark.property
@examples(500, 5000)
@given(st.lists(OPERATIONS, min_size=1, max_size=4))
def test_whatever_a_patch_says(patch: list[dict[str, Any]]) -> None:
    before = first()
    untouched = bson.encode({"tracks": before.tracks, "segments": before.segments})
    status, after = 200, before
    try:
        after = patching.apply_patch(before, patching.parse_patch(patch))
        rules.check_content(before, after)
    except APIException as exc:
        status, after = exc.status_code, before
    found = changes.diff_contents(before, after)

    assert status in {200, 400, 409, 413}
    assert changes.apply_changes(after, found.inverse) == before
    assert bson.encode({"changes": found.forward, "inverse": found.inverse})
    assert bson.encode({"tracks": before.tracks, "segments": before.segments}) == untouched


def test_what_a_patch_leaves_alone_is_the_same_object() -> None:
    before = first()
    patch = [{"op": "replace", "path": "/tracks/0/clips/0/start_ms", "value": 1}]

    after = patching.apply_patch(before, patch)

    assert after.segments is before.segments
    assert after.tracks[1] is before.tracks[1]
    assert after.tracks[0]["clips"][1] is before.tracks[0]["clips"][1]
    assert changes.diff_contents(before, after).forward == [
        {"path": "tracks.0.clips.0.start_ms", "value": 1}
    ]


@pytest.mark.parametrize(
    ("paths", "needs"),
    [
        (["/tracks/0"], Needs(tracks=True)),
        (["/transcript/segments/3/text"], Needs(segment_indexes=frozenset({3}))),
        (["/transcript/segments/3"], Needs(transcript=True)),
        (["/transcript/segments/-"], Needs(transcript=True)),
        (
            ["/tracks", "/transcript/segments/0/words/1"],
            Needs(tracks=True, segment_indexes=frozenset({0})),
        ),
    ],
)
def test_only_what_a_patch_names_is_read(paths: list[str], needs: Needs) -> None:
    assert patching.needs_of([{"op": "remove", "path": path} for path in paths]) == needs


def test_a_segment_that_was_not_read_stays_as_it_is() -> None:
    before = first()
    partly = Content(before.tracks, [{"id": "s1"}, before.segments[1], {"id": "s3"}])
    patch = [{"op": "replace", "path": "/transcript/segments/1/speaker", "value": "Ann"}]

    after = patching.apply_patch(partly, patch)

    assert after.segments[0] is partly.segments[0]
    assert changes.diff_contents(partly, after).forward == [
        {"path": "transcript.segments.1.speaker", "value": "Ann"}
    ]


def test_a_patch_has_so_many_operations_at_most() -> None:
    one = {"op": "test", "path": "/tracks/0/id", "value": "v"}

    assert len(patching.parse_patch([one] * MAX_OPERATIONS)) == MAX_OPERATIONS
    refused("invalid_patch", lambda: patching.parse_patch([one] * (MAX_OPERATIONS + 1)))


def test_the_changes_are_a_json_patch() -> None:
    before = first()
    patch = [
        {"op": "remove", "path": "/tracks/0/clips/0"},
        {"op": "replace", "path": "/transcript/segments/2/words/0/word", "value": "9"},
    ]
    after = patching.apply_patch(before, patch)
    document = {"tracks": before.tracks, "transcript": {"segments": before.segments}}

    told = changes.as_json_patch(changes.diff_contents(before, after).forward)

    assert jsonpatch.apply_patch(document, told) == {
        "tracks": after.tracks,
        "transcript": {"segments": after.segments},
    }
