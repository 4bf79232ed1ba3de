"""What plays where other media were shown."""

from hypothesis import given
from hypothesis import strategies as st

from projects.timeline.content import Content, all_clips, speed_permille
from projects.timeline.dividing import lengths
from projects.timeline.media_substitution import Replacement, list_placeholders, substitute_media
from projects.timeline.rules import check_content
from tests.projects.timeline.films import films
from tests.projects.timeline.making import MEDIA, OTHER_MEDIA, clip, content, segment, track

NEW = "00000000-0000-4000-8000-000000000009"


def spans(found: Content) -> dict[str, tuple[int, int, int, int]]:
    return {
        each["id"]: (
            each["start_ms"],
            each["duration_ms"],
            each["in_point_ms"],
            each["out_point_ms"],
        )
        for each in all_clips(found.tracks)
    }


def test_it_is_played_from_its_beginning_and_as_much_later_as_before() -> None:
    before = content(
        track(clip("b", 2000, 9000, 10_000), clip("a", 0, 5000, 7000), name="t"),
        segments=[segment("s", 0, "so we went"), segment("o", 0, "home", media=OTHER_MEDIA)],
    )
    made = substitute_media(before, {MEDIA: Replacement(NEW, 4500)})

    assert spans(made.content) == {"a": (0, 2000, 0, 2000), "b": (2000, 500, 4000, 4500)}
    assert (made.filled, made.shortened, made.left_out) == (2, 1, 0)
    assert {each["media_file_id"] for each in all_clips(made.content.tracks)} == {NEW}
    assert [each["id"] for each in made.content.segments] == ["o"]


def test_what_would_have_nothing_left_is_left_out() -> None:
    before = content(track(clip("a", 0, 0, 1000), clip("b", 1000, 3000, 4000), name="t"))
    for length, whole in ((3000, 0), (3001, 1), (4000, 1)):
        made = substitute_media(before, {MEDIA: Replacement(NEW, length)})
        assert (len(spans(made.content)), made.left_out) == (1 + whole, 1 - whole)


def test_a_picture_lasts_as_long_as_it_is_asked_to() -> None:
    before = content(track(clip("a", 0, 100, 9000), name="t"))
    made = substitute_media(before, {MEDIA: Replacement(NEW, None)})
    assert spans(made.content) == {"a": (0, 8900, 0, 8900)}
    assert made.shortened == 0


def test_placeholders_come_in_the_order_of_the_timeline() -> None:
    gone = clip("gone", 0, 0, 50_000, deleted=True)
    before = content(
        track(clip("b", 500, 3000, 4000), gone, name="t"),
        track(
            clip("o", 0, 0, 500, media=OTHER_MEDIA),
            clip("c", 2000, 6000, 7000),
            name="u",
            kind="audio",
        ),
    )
    first, second = list_placeholders(before.tracks).values()
    assert (first.media_file_id, first.track_types, first.clip_count) == (OTHER_MEDIA, {"audio"}, 1)
    assert (second.duration_ms, second.track_types, second.clip_count) == (
        4000,
        {"audio", "video"},
        2,
    )


@given(films(), st.sampled_from([1, 40, 700, 3000, 12_000, None]))
def test_any_timeline_stays_one(film: Content, length: int | None) -> None:
    made = substitute_media(film, {MEDIA: Replacement(NEW, length)})

    check_content(Content([], []), made.content)
    before = spans(film)
    for each in all_clips(made.content.tracks):
        start, duration, begin, end = before[each["id"]]
        assert each["start_ms"] == start
        assert each["duration_ms"] <= duration
        if each["media_file_id"] == NEW:
            played = each["out_point_ms"] - each["in_point_ms"]
            least, most = lengths(played, speed_permille(each["effects"]))
            assert least <= each["duration_ms"] <= most
            assert each["in_point_ms"] <= begin
            assert length is None or each["out_point_ms"] <= length
            assert played <= end - begin
        else:
            assert (each["duration_ms"], each["in_point_ms"]) == (duration, begin)
    assert made.filled + made.left_out == sum(
        each["media_file_id"] == MEDIA for each in all_clips(film.tracks)
    )
