"""The endpoints of export and import."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import opentimelineio as otio
import pytest
from rest_framework.test import APIClient

from accounts.models import User
from media.models import MediaFile, MediaType
from projects.interchange import limits
from projects.interchange.formats import FORMATS, MAX_INTERCHANGE_BYTES
from projects.models import Project
from tests.projects.timeline.asking import errors, problem, put, url
from tests.projects.timeline.making import clip, track

pytestmark = pytest.mark.django_db

NAME = "Tür & Tor.mp4"


@pytest.fixture
def film(make_media: Callable[..., MediaFile], project: Project) -> MediaFile:
    """A minute of video in the project."""
    return make_media(type=MediaType.VIDEO, duration_ms=60_000, project=project, name=NAME)


@pytest.fixture
def edited(api: APIClient, project: Project, film: MediaFile) -> list[dict[str, Any]]:
    """Two clips with a cross-fade and one behind a gap."""
    fade = [{"type": "cross_fade", "duration_ms": 500}]
    media = str(film.pk)
    clips = [
        clip("a", 1000, 2000, 4000, media=media),
        clip("b", 2500, 500, 1500, media=media, effects=fade),
        clip("c", 10_000, 58_000, 60_000, media=media),
    ]
    tracks = [track(*clips)]
    assert put(api, project, {"tracks": tracks}).status_code == 200
    return tracks


def export(api: APIClient, project: Project, form: str = "otio", **more: str) -> Any:
    return api.get(url(project, "/edl/export"), {"format": form, **more})


def bring(
    api: APIClient, project: Project, text: str | bytes, form: str = "otio", **headers: str
) -> Any:
    sent = {"If-Match": "*", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return api.post(
        url(project, f"/edl/import?format={form}"),
        text,
        content_type="application/octet-stream",
        headers=sent,
    )


def tracks_of(api: APIClient, project: Project) -> list[dict[str, Any]]:
    return list(api.get(url(project)).json()["tracks"])


def played(tracks: list[dict[str, Any]]) -> list[Any]:
    names = ("start_ms", "duration_ms", "in_point_ms", "out_point_ms", "media_file_id", "effects")
    return [
        [[clip_row[name] for name in names] for clip_row in track_row["clips"]]
        for track_row in tracks
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_is_an_attachment_that_comes_back(
    api: APIClient, project: Project, edited: list[dict[str, Any]], form: str
) -> None:
    answer = export(api, project, form)

    assert answer.status_code == 200
    assert answer["Content-Type"] == FORMATS[form].content_type
    assert answer["Content-Disposition"] == (
        f'attachment; filename="Harbour.{FORMATS[form].suffix}"'
    )
    assert answer["ETag"] == '"2"'
    assert put(api, project, {"tracks": []}).status_code == 200
    assert bring(api, project, answer.content, form).json()["version"] == 4
    assert played(tracks_of(api, project)) == played(edited)


def test_what_has_not_changed_makes_no_version(
    api: APIClient, project: Project, edited: list[dict[str, Any]]
) -> None:
    answer = bring(api, project, export(api, project).content)

    assert (answer.status_code, answer.json()["version"]) == (200, 2)


def test_an_import_can_be_undone(
    api: APIClient, project: Project, edited: list[dict[str, Any]]
) -> None:
    text = export(api, project).content.decode().replace('"c"', '"d"')

    assert bring(api, project, text).json()["undo_depth"] == 2
    assert tracks_of(api, project)[0]["clips"][2]["id"] == "d"
    assert api.post(url(project, "/edl/undo")).status_code == 200
    assert tracks_of(api, project) == edited


def test_an_import_is_for_the_version_that_was_read(
    api: APIClient, project: Project, edited: list[dict[str, Any]]
) -> None:
    text = export(api, project).content
    without = api.post(
        url(project, "/edl/import?format=otio"), text, content_type="application/json"
    )

    assert problem(without) == (428, "if_match_required")
    assert problem(bring(api, project, text, If_Match='"1"')) == (412, "stale_edl")
    assert bring(api, project, text, If_Match='"2"').status_code == 200


def test_an_import_asked_twice_is_made_once(
    api: APIClient, project: Project, edited: list[dict[str, Any]]
) -> None:
    text = export(api, project, "fcp_xml").content
    first = bring(api, project, text, "fcp_xml", Idempotency_Key="k")
    again = bring(api, project, text, "fcp_xml", Idempotency_Key="k")

    assert first.json()["version"] == 3
    assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")
    other = bring(api, project, text + b" ", "fcp_xml", Idempotency_Key="k")
    assert problem(other) == (409, "idempotency_conflict")


@pytest.mark.parametrize("form", FORMATS)
def test_another_users_files_are_matched_by_name_or_named(
    api: APIClient,
    project: Project,
    edited: list[dict[str, Any]],
    make_user: Callable[..., User],
    client_of: Callable[[User], APIClient],
    make_media: Callable[..., MediaFile],
    form: str,
) -> None:
    text = export(api, project, form).content
    friend = make_user()
    theirs = client_of(friend)
    new_id = theirs.post("/projects", {"name": "Copy"}, format="json").json()["id"]
    copy = Project.objects.get(pk=new_id)

    missing = bring(theirs, copy, text, form)
    assert problem(missing) == (422, "unmatched_media")
    assert missing.json()["names"] == [NAME]

    video = {"type": MediaType.VIDEO, "duration_ms": 60_000, "project": copy, "name": NAME}
    own = make_media(friend, **video)
    assert bring(theirs, copy, text, form).status_code == 200
    assert {clip_row["media_file_id"] for clip_row in tracks_of(theirs, copy)[0]["clips"]} == {
        str(own.pk)
    }

    make_media(friend, **video)
    assert put(theirs, copy, {"tracks": []}).status_code == 200
    assert problem(bring(theirs, copy, text, form)) == (422, "unmatched_media")


def test_a_moved_clip_keeps_its_id_and_effects(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    grade = [{"type": "x_grade", "amount": 0.5}]
    media = str(film.pk)
    clips = [
        clip("a", 0, 0, 1000, media=media, effects=grade),
        clip("b", 1000, 0, 900, media=media),
    ]
    put(api, project, {"tracks": [track(*clips)]})
    timeline = otio.adapters.read_from_string(export(api, project).content.decode(), "otio_json")
    timeline.tracks[0].insert(
        0,
        otio.schema.Gap(
            duration=otio.opentime.RationalTime(30, 30),
        ),
    )

    assert bring(api, project, timeline.to_json_string()).status_code == 200

    first = tracks_of(api, project)[0]["clips"][0]
    assert (first["id"], first["start_ms"], first["effects"]) == ("a", 1000, grade)


def test_rounding_does_not_reach_beyond_the_media(
    api: APIClient, project: Project, make_media: Callable[..., MediaFile]
) -> None:
    odd = make_media(type=MediaType.VIDEO, duration_ms=1010, project=project, name="odd.mp4")
    put(api, project, {"tracks": [track(clip("a", 20, 3, 1010, media=str(odd.pk)))]})
    text = export(api, project, "fcp_xml").content
    put(api, project, {"tracks": []})

    assert bring(api, project, text, "fcp_xml").status_code == 200
    assert tracks_of(api, project)[0]["clips"][0]["out_point_ms"] <= 1010


def test_what_a_format_cannot_hold_is_told(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    fast = [{"type": "speed", "rate": 2}]
    put(api, project, {"tracks": [track(clip("a", 0, 0, 2000, media=str(film.pk), effects=fast))]})

    answer = export(api, project, "fcp_xml")

    assert problem(answer) == (422, "cannot_hold")
    (item,) = answer.json()["items"]
    assert (item["what"], item["track_id"], item["clip_id"]) == ("effect", "v", "a")
    assert export(api, project, "otio").status_code == 200


def with_fades(film: MediaFile) -> list[dict[str, Any]]:
    fades = [{"type": kind, "duration_ms": 500} for kind in ("fade_in", "fade_out")]
    clips = [
        clip("a", 0, 0, 2000, media=str(film.pk), effects=fades),
        clip("b", 9000, 0, 2000, media=str(film.pk), deleted=True),
    ]
    return [track(*clips)]


@pytest.mark.parametrize("form", ["fcp_xml", "cmx3600"])
def test_what_may_be_left_out_is_offered_and_told(
    api: APIClient, project: Project, film: MediaFile, form: str
) -> None:
    put(api, project, {"tracks": with_fades(film)})
    refused = export(api, project, form).json()

    assert [item_item["effect"] for item_item in refused["items"]] == ["fade_in", "fade_out"]
    assert refused["can_leave_out"] == ["fade_in", "fade_out"]
    assert "leave_out=fade_in,fade_out" in refused["detail"]

    clip_row = export(api, project, form, leave_out="fade_in")
    assert clip_row.json()["can_leave_out"] == ["fade_out"]

    for item in (",".join(refused["can_leave_out"]), "effects"):
        answer = export(api, project, form, leave_out=item)
        assert answer["X-Left-Out"] == "deleted_clips=1, fade_in=1, fade_out=1"
        assert "deleted_clips, fade_in, fade_out" in answer.content.decode()
        assert bring(api, project, answer.content, form).status_code == 200
        (clip_row,) = tracks_of(api, project)[0]["clips"]
        assert (clip_row["out_point_ms"], clip_row["effects"]) == (2000, [])
        put(api, project, {"tracks": with_fades(film)})


def test_opentimelineio_leaves_nothing_out(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": with_fades(film)})

    answer = export(api, project, "otio", leave_out="effects")

    assert "X-Left-Out" not in answer
    assert bring(api, project, answer.content).json()["version"] == 2


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("speed", 400),
        ("effects,cross_fade", 400),
        ("Fade In", 400),
        ("fade_in,,", 400),
        (",".join(["gain"] * limits.MAX_LEFT_OUT), 200),
        (",".join(["gain"] * (limits.MAX_LEFT_OUT + 1)), 400),
    ],
)
def test_only_effects_that_can_be_spared_are_left_out(
    api: APIClient, project: Project, edited: list[dict[str, Any]], asked: str, status: int
) -> None:
    assert export(api, project, "fcp_xml", leave_out=asked).status_code == status


def test_bad_requests_are_problems(api: APIClient, project: Project) -> None:
    assert problem(export(api, project, "avi")) == (400, "invalid")
    assert problem(bring(api, project, "{}", "avi")) == (400, "invalid")
    assert problem(bring(api, project, "")) == (400, "unreadable_file")
    assert problem(bring(api, project, b"\xff\xfe")) == (400, "parse_error")
    large = bring(api, project, b" " * (MAX_INTERCHANGE_BYTES + 1))
    assert problem(large) == (413, "payload_too_large")


def test_metadata_that_is_nonsense_is_not_believed(
    api: APIClient, project: Project, edited: list[dict[str, Any]]
) -> None:
    document = json.loads(export(api, project).content)
    first = document["tracks"]["children"][0]
    first["metadata"]["auteur"] = {"id": "no id!", "clips": [{"id": 7}]}
    first["children"][1]["metadata"]["auteur"] = ["what"]

    answer = bring(api, project, json.dumps(document))

    assert problem(answer) == (400, "invalid")
    first["metadata"]["auteur"] = "what"
    assert bring(api, project, json.dumps(document)).status_code == 200
    assert played(tracks_of(api, project)) == played(edited)


@pytest.mark.parametrize("name", ["\\ud800", "\\u0000", "%00", "a/b", "\\u202e"])
def test_any_name_in_a_file_is_answered(
    api: APIClient, project: Project, edited: list[dict[str, Any]], name: str
) -> None:
    text = export(api, project).content.decode()
    for key in ("media_file_id", "target_url"):
        text = text.replace(f'"{key}"', f'"x_{key}"')
    document = json.loads(text.replace("Tür & Tor.mp4", "NAME").replace('"V"', '"NAME"'))
    document["tracks"]["children"][0]["metadata"] = {"auteur": {"name": "NAME"}}

    answer = bring(api, project, json.dumps(document).replace("NAME", name))

    assert problem(answer) in {(422, "unmatched_media"), (400, "unreadable_file")}


def test_another_users_project_is_not_there(
    make_user: Callable[..., User],
    client_of: Callable[[User], APIClient],
    project: Project,
    edited: list[dict[str, Any]],
) -> None:
    stranger = client_of(make_user())

    assert problem(export(stranger, project)) == (404, "not_found")
    assert problem(bring(stranger, project, "{}")) == (404, "not_found")
    nowhere = Project(pk=uuid.uuid4())
    assert problem(export(stranger, nowhere)) == (404, "not_found")


def of_camera(make_media: Callable[..., MediaFile], project: Project, **fields: Any) -> MediaFile:
    """A minute that begins at the camera's timecode."""
    timecode = {"start_timecode": "10:00:01:00", "frame_rate": 30.0}
    defaults = {"type": MediaType.VIDEO, "duration_ms": 60_000, "name": "A001.mov"}
    return make_media(project=project, **{**defaults, "metadata": timecode, **fields})


def event(begin: str, end: str, at: str, to: str, name: str = "A001.mov") -> str:
    return f"001  AX       V     C        {begin} {end} {at} {to}\n* FROM CLIP NAME: {name}\n"


@pytest.mark.parametrize(
    ("begin", "end", "in_ms"),
    [
        ("10:00:01:00", "10:00:03:00", 0),
        ("10:00:59:15", "10:01:01:00", 58_500),
        ("00:00:01:00", "00:00:03:00", 1000),
        ("09:59:59:00", "10:00:01:00", None),
        ("10:01:00:00", "10:01:02:00", None),
    ],
)
def test_source_times_of_an_edit_list_are_those_of_the_camera(
    api: APIClient,
    project: Project,
    make_media: Callable[..., MediaFile],
    begin: str,
    end: str,
    in_ms: int | None,
) -> None:
    of_camera(make_media, project)
    length = "00:00:01:15" if in_ms == 58_500 else "00:00:02:00"

    answer = bring(api, project, event(begin, end, "00:00:00:00", length), "cmx3600")

    if in_ms is None:
        assert errors(answer)[0][1] == "beyond_media"
    else:
        assert tracks_of(api, project)[0]["clips"][0]["in_point_ms"] == in_ms


def test_a_low_timecode_counts_if_all_times_of_the_file_fit_it(
    api: APIClient, project: Project, make_media: Callable[..., MediaFile]
) -> None:
    low = {"start_timecode": "00:00:05:00", "frame_rate": 30.0}
    of_camera(make_media, project, metadata=low)
    later = event("00:00:08:00", "00:00:09:00", "00:00:00:00", "00:00:01:00")
    earlier = event("00:00:01:00", "00:00:02:00", "00:00:01:00", "00:00:02:00")

    bring(api, project, later, "cmx3600")
    assert [clip_row["in_point_ms"] for clip_row in tracks_of(api, project)[0]["clips"]] == [3000]
    bring(api, project, later + earlier.replace("001 ", "002 ", 1), "cmx3600")
    assert [clip_row["in_point_ms"] for clip_row in tracks_of(api, project)[0]["clips"]] == [
        8000,
        1000,
    ]


LOW = {"start_timecode": "00:00:00:10", "frame_rate": 30.0}
"""Of a camera that had just begun to count."""


@pytest.mark.parametrize(("exported", "imported"), [({}, LOW), (LOW, {}), (LOW, LOW)])
def test_an_edit_list_of_ours_counts_from_the_start_that_it_states(
    api: APIClient,
    project: Project,
    film: MediaFile,
    edited: list[dict[str, Any]],
    exported: dict[str, Any],
    imported: dict[str, Any],
) -> None:
    """Its file may have been checked again, or been uploaded again, since the export."""
    MediaFile.objects.filter(pk=film.pk).update(metadata=exported)
    text = export(api, project, "cmx3600").content
    assert put(api, project, {"tracks": []}).status_code == 200
    MediaFile.objects.filter(pk=film.pk).update(metadata=imported)

    assert bring(api, project, text, "cmx3600").status_code == 200

    assert played(tracks_of(api, project)) == played(edited)


def test_an_edit_list_of_ours_from_before_starts_were_stated_counts_from_zero(
    api: APIClient, project: Project, film: MediaFile, edited: list[dict[str, Any]]
) -> None:
    lines = export(api, project, "cmx3600").content.decode().splitlines()
    text = "\n".join(line for line in lines if " CLIP START:" not in line)
    assert put(api, project, {"tracks": []}).status_code == 200
    MediaFile.objects.filter(pk=film.pk).update(metadata=LOW)

    assert bring(api, project, text, "cmx3600").status_code == 200

    assert played(tracks_of(api, project)) == played(edited)


def test_other_formats_count_from_the_timecode_beyond_the_file_alone(
    api: APIClient, project: Project, make_media: Callable[..., MediaFile]
) -> None:
    of_camera(make_media, project, metadata={"start_timecode": "00:00:40:00", "frame_rate": 30.0})

    def inside(start: int) -> int:
        time_range = otio.opentime.TimeRange(
            otio.opentime.RationalTime(start, 30), otio.opentime.RationalTime(30, 30)
        )
        reference = otio.schema.ExternalReference("A001.mov")
        timeline = otio.schema.Timeline()
        timeline.tracks.append(otio.schema.Track(kind="Video"))
        timeline.tracks[0].append(
            otio.schema.Clip(media_reference=reference, source_range=time_range)
        )
        assert bring(api, project, timeline.to_json_string()).status_code == 200
        return int(tracks_of(api, project)[0]["clips"][0]["in_point_ms"])

    assert inside(50 * 30) == 50_000
    assert inside(70 * 30) == 30_000


def reference_of(document: dict[str, Any]) -> dict[str, Any]:
    """The media reference of the first clip."""
    children = document["tracks"]["children"][0]["children"]
    first = next(child for child in children if child["OTIO_SCHEMA"].startswith("Clip"))
    return dict(first)["media_references"]["DEFAULT_MEDIA"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("address", "media"),
    [
        ("media/{id}/other.mp4", "other"),
        ("file:///films/other.mp4", "other"),
        ("C:\\films\\other.mp4", "other"),
        ("file:///films/T%C3%BCr%20%26%20Tor.mp4", "film"),
        ("", "film"),
        ("file:///films/nowhere.mp4", None),
    ],
)
def test_an_address_that_another_editor_has_changed_counts(
    api: APIClient,
    project: Project,
    film: MediaFile,
    edited: list[dict[str, Any]],
    make_media: Callable[..., MediaFile],
    address: str,
    media: str | None,
) -> None:
    video = {"type": MediaType.VIDEO, "duration_ms": 60_000, "project": project}
    other = make_media(**video, name="other.mp4")
    document = json.loads(export(api, project).content)
    reference_of(document)["target_url"] = address.format(id=other.pk)

    answer = bring(api, project, json.dumps(document))

    if media is None:
        assert problem(answer) == (422, "unmatched_media")
        assert answer.json()["names"] == ["nowhere.mp4"]
    else:
        clips = {
            clip_row["id"]: clip_row["media_file_id"]
            for clip_row in tracks_of(api, project)[0]["clips"]
        }
        ids = {"film": str(film.pk), "other": str(other.pk)}
        assert clips == {"a": ids[media], "b": ids["film"], "c": ids["film"]}


def test_effects_that_another_editor_takes_out_do_not_come_back(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    media = str(film.pk)
    grade, gain = {"type": "x_grade", "amount": 0.5}, {"type": "gain", "db": -6.0}
    clips = [
        clip("a", 0, 0, 1000, media=media, effects=[grade, gain]),
        clip("b", 1000, 0, 900, media=media, effects=[grade]),
    ]
    put(api, project, {"tracks": [track(*clips)]})
    document = json.loads(export(api, project).content)
    document["tracks"]["children"][0]["children"][0]["metadata"]["auteur"]["effects"] = [gain]

    assert bring(api, project, json.dumps(document)).status_code == 200

    effects = {
        clip_row["id"]: clip_row["effects"] for clip_row in tracks_of(api, project)[0]["clips"]
    }
    assert effects == {"a": [gain], "b": [grade]}


def test_a_cross_fade_that_another_editor_takes_out_does_not_come_back(
    api: APIClient, project: Project, edited: list[dict[str, Any]]
) -> None:
    document = json.loads(export(api, project).content)
    track_of = document["tracks"]["children"][0]
    track_of["children"] = [
        child for child in track_of["children"] if not child["OTIO_SCHEMA"].startswith("Transition")
    ]

    assert bring(api, project, json.dumps(document)).status_code == 200

    assert [clip_row["effects"] for clip_row in tracks_of(api, project)[0]["clips"]] == [
        [],
        [],
        [],
    ]
