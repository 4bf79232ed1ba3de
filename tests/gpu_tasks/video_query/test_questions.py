"""What questions are understood to ask."""

import pytest

from gpu_tasks.video_query.answers import list_stems, parse_question


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("How long is the film?", ["length"]),
        ("How many CUTS are there?", ["cut"]),
        ("When does it get dark?", ["brightness"]),
        ("Is there a face?", ["face"]),
        ("Who is this", ["face"]),
        ("Does anything move?", ["motion"]),
        ("What colour is the wall?", ["colour"]),
        ("Which text is shown on screen?", ["text"]),
        ("What is said about the harbour?", ["speech"]),
        ("What is said about the letter?", ["speech"]),
        ("What about the cuts?", ["cut"]),
        ("When do they mention money?", ["speech"]),
        ("How many shots, and how bright are they?", ["cut", "brightness"]),
        ("Is there music?", ["sound"]),
        ("When do they mention the night?", ["speech"]),
        ("What does the title say?", ["speech", "text"]),
        ("When does he say “cut”?", ["speech"]),
        ("What is the last word?", ["speech"]),
        ("What happens after 30 seconds?", []),
        ("Where is the dog?", []),
        ("Is the mancut brightside?", []),
        ("", []),
        ("¿Qué?", []),
    ],
)
def test_topics_are_found_by_whole_words(text: str, topics: list[str]):
    assert list(parse_question(text).topics) == topics


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is said about the harbours?", ("harbours",)),
        ("When do they talk about money and taxes", ("money", "taxes")),
        ('When does she say "the old letter"?', ("the", "old", "letter")),
        ("How often is 'the' said?", ("the",)),
        ("When is the captain’s dog mentioned?", ("captain’s", "dog")),
        ("What is the talk about?", ()),
        ("What do they say about the film?", ()),
        ("What is said?", ()),
        ("What’s said, and who's talking?", ()),
        ("What is said at 1:20?", ()),
        ("Where is the dog?", ()),
        ("When do they mention the letter?", ("letter",)),
        ("When does she say night", ("night",)),
        ("When does she say “night”?", ("night",)),
        ("What does she say first?", ()),
        ("What do they say?", ()),
    ],
)
def test_search_words_are_what_tells_or_what_is_quoted(text: str, expected: tuple[str, ...]):
    assert parse_question(text).search_words == expected


def test_words_are_found_in_their_other_forms():
    assert list_stems("Opening opens OPENED open") == ["open"] * 4
    assert list_stems("lighthouse lighthouses") == ["lighthous"] * 2
    assert list_stems("captain’s captain") == ["captain"] * 2
    assert list_stems("bus was his") == ["bus", "was", "his"]


def test_a_question_of_any_length_is_understood_at_once():
    assert parse_question("a " * 500 + "cut?").topics == ("cut",)
