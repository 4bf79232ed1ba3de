"""What is understood of a prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_tasks.mediakit.scenes.words import MAX_OF_A_KIND, NamedItem, parse_prompt


def test_things_places_hours_weather_and_moods_are_told_apart():
    reports = parse_prompt("A dramatic sailing boat on the sea at sunset in the rain")
    assert reports.items_by_kind == {
        "thing": [NamedItem("boat")],
        "place": [NamedItem("sea")],
        "time": [NamedItem("sunset")],
        "weather": [NamedItem("rain")],
        "mood": [NamedItem("dramatic")],
    }
    assert reports.understood == ["dramatic", "sailing boat", "sea", "sunset", "rain"]


@pytest.mark.parametrize(
    ("prompt", "count"),
    [
        ("a tree", None),
        ("one tree", 1),
        ("three trees", 3),
        ("7 trees", 7),
        ("trees", 5),
        ("a dozen tall old trees", 12),
        ("999999999999999999999 trees", MAX_OF_A_KIND),
        ("0 trees", 5),
    ],
)
def test_things_are_counted(prompt: str, count: int | None):
    assert parse_prompt(prompt).items_by_kind["thing"] == [NamedItem("tree", count)]


def test_a_count_and_a_colour_belong_to_the_next_thing_only():
    reports = parse_prompt("three red balloons over a house beside two blue boats")
    assert reports.items_by_kind["thing"] == [
        NamedItem("balloon", 3, "red"),
        NamedItem("house"),
        NamedItem("boat", 2, "blue"),
    ]


def test_some_things_have_the_colour_of_their_name():
    assert parse_prompt("a rose").items_by_kind["thing"] == [NamedItem("flower", None, "rose")]
    assert parse_prompt("a red rose").items_by_kind["thing"] == [NamedItem("flower", None, "red")]
    assert parse_prompt("lavender").items_by_kind["place"] == [NamedItem("field", None, "lavender")]


def test_colours_of_nothing_are_the_pictures():
    assert parse_prompt("something red and blue").colours == ["red", "blue"]


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("puppies", "dog"),
        ("wolves", "dog"),
        ("foxes", "dog"),
        ("kitties", "cat"),
        ("men", "person"),
    ],
)
def test_plurals_are_those_of_their_words(prompt: str, name: str):
    [thing] = parse_prompt(prompt).items_by_kind["thing"]
    assert thing.name == name
    assert thing.count > 1


def test_the_longest_term_is_meant():
    assert parse_prompt("hot air balloon").items_by_kind["thing"] == [NamedItem("balloon")]
    assert parse_prompt("northern lights").items_by_kind["weather"] == [NamedItem("aurora")]
    assert parse_prompt("under the sea").items_by_kind["place"] == [NamedItem("underwater")]


@pytest.mark.parametrize(
    "prompt", ["a sign that says 'Open now'", 'a sign that says "Open now"', "a sign: “Open now”"]
)
def test_what_stands_in_quotes_is_written_not_read(prompt: str):
    reports = parse_prompt(prompt)
    assert reports.caption == "Open now"
    assert reports.items_by_kind["thing"] == [NamedItem("sign")]


def test_an_apostrophe_is_no_quote():
    assert parse_prompt("the dog's house in the farmer's field").caption is None


def test_words_that_are_not_known_are_not_claimed():
    assert parse_prompt("Quidditch im Schloss").understood == []


@given(st.text(max_size=300))
def test_any_text_can_be_read(prompt: str):
    reports = parse_prompt(prompt)
    assert len(set(reports.understood)) == len(reports.understood)
    assert all(
        1 <= (item.count or 1) <= MAX_OF_A_KIND
        for item in reports.items_by_kind["thing"] + reports.items_by_kind["place"]
    )
