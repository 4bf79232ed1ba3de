"""What questions are understood to ask."""

import pytest

from gpu_tasks.video_query.questions import Pick, Topic, stems, understand


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("How long is the film?", [Topic.LENGTH]),
        ("How many CUTS are there?", [Topic.CUTS]),
        ("When does it get dark?", [Topic.BRIGHTNESS]),
        ("Is there a face?", [Topic.FACES]),
        ("Who is this", [Topic.FACES]),
        ("Does anything move?", [Topic.MOTION]),
        ("What colour is the wall?", [Topic.COLOUR]),
        ("Which text is shown on screen?", [Topic.TEXT]),
        ("What is said about the harbour?", [Topic.SPEECH]),
        ("What is said about the letter?", [Topic.SPEECH]),
        ("What about the cuts?", [Topic.CUTS]),
        ("When do they mention money?", [Topic.SPEECH]),
        ("How many shots, and how bright are they?", [Topic.CUTS, Topic.BRIGHTNESS]),
        ("Is there music?", [Topic.SOUND]),
        ("When do they mention the night?", [Topic.SPEECH]),
        ("What does the title say?", [Topic.TEXT]),
        ("What does the title say, and who says it?", [Topic.TEXT, Topic.FACES]),
        ("What is the last word?", [Topic.SPEECH]),
        ("What happens after 30 seconds?", []),
        ("Where is the dog?", []),
        ("Is the mancut brightside?", []),
        ("", []),
        ("¿Qué?", []),
    ],
)
def test_topics_are_found_by_whole_words(text: str, topics: list[Topic]):
    assert list(understand(text).topics) == topics


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("What is said about the harbours?", ("harbours",)),
        ("When do they talk about money and taxes", ("money", "taxes")),
        ('When does she say "the old letter"?', ("the", "old", "letter")),
        ("How often is 'the' said?", ("the",)),
        ("When is the captain’s dog mentioned?", ("captain’s", "dog")),
        ("What do they say about the film?", ("film",)),
        ("What is the talk about?", ()),
        ("What is said?", ()),
        ("When do they mention the letter?", ("letter",)),
        ("When does she say night", ("night",)),
        ("What does she say first?", ()),
        ("What do they say?", ()),
        ("Does he say anything about the last scene?", ("scene",)),
        ("What is said at 1:20?", ()),
    ],
)
def test_search_words_are_what_tells_or_what_is_quoted(text: str, wanted: tuple[str, ...]):
    assert understand(text).wanted == wanted


def test_words_are_found_in_their_other_forms():
    assert stems("Opening opens OPENED open") == ["open"] * 4
    assert stems("lighthouse lighthouses") == ["lighthous"] * 2
    assert stems("captain’s captain") == ["captain"] * 2
    assert stems("bus was his") == ["bus", "was", "his"]


@pytest.mark.parametrize(
    ("text", "counts"),
    [("How often is it said?", True), ("How many times?", True), ("Why?", False)],
)
def test_it_is_known_whether_a_number_is_asked_for(text: str, counts: bool):
    assert understand(text).counts is counts


@pytest.mark.parametrize(
    ("text", "pick"),
    [
        ("What is the first title?", Pick.FIRST),
        ("When does she speak last?", Pick.LAST),
        ("What is the longest shot?", Pick.LONGEST),
        ("What is said in the first two minutes?", None),
        ("What did they say last night?", None),
        ("What is said about the last train?", None),
        ('Who says "first"?', None),
        ("How long does it last, and what is said?", None),
        ("What is said?", None),
    ],
)
def test_it_is_known_which_one_is_asked_for(text: str, pick: Pick | None):
    assert understand(text).pick is pick


def test_a_question_of_any_length_is_understood_at_once():
    assert understand("a " * 500 + "cut?").topics == (Topic.CUTS,)
