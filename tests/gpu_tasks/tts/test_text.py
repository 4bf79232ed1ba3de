"""Text made ready to be read."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.tts.text import NOTHING_TO_SAY, clean, join_paragraphs, romanise, split_into_pieces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello,  world.\r\n\r\n\tNext.", "Hello, world.\nNext."),
        ("a\x00b\x07c\x7f", "abc"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("“Don’t”… she said", '"Don\'t"... she said'),
        ("yes — no", "yes , no"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("e\u0301", "é"),
        ("half \ud800 pair", "half pair"),
        ("50 %", "50 %"),
        ("€", "€"),
        ("😀", "😀"),
    ],
)
def test_what_is_kept(text: str, expected: str):
    assert clean(text) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t", "...", "—", "\x00\x01", "\u200b", "?!", "\ud800"]
)
def test_what_nobody_can_say(text: str):
    with pytest.raises(EngineError) as caught:
        clean(text)
    assert (caught.value.code, caught.value.message) == (ErrorCode.INPUT_INVALID, NOTHING_TO_SAY)


def test_pieces_end_with_sentences():
    text = "One is here. Two is here! Is three here? Four."
    assert split_into_pieces(text, 30) == ["One is here. Two is here!", "Is three here? Four."]


def test_a_paragraph_ends_a_piece():
    assert split_into_pieces("One\nTwo", 100) == ["One", "Two"]


def test_a_long_sentence_is_cut_at_a_clause_then_between_words_then_anywhere():
    assert split_into_pieces("aaa bbb, ccc ddd", 8) == ["aaa bbb,", "ccc ddd"]
    assert split_into_pieces("aaa bbb ccc", 7) == ["aaa bbb", "ccc"]
    assert split_into_pieces("aaaabbbbcc", 4) == ["aaaa", "bbbb", "cc"]


def test_scripts_without_spaces_are_cut_at_their_own_signs():
    assert split_into_pieces("今天好。明天也好。", 5) == ["今天好。", "明天也好。"]
    assert split_into_pieces("हाँ। नहीं।", 6) == ["हाँ।", "नहीं।"]


def test_a_piece_at_the_limit_and_one_past_it():
    assert split_into_pieces("abcd efgh", 9) == ["abcd efgh"]
    assert split_into_pieces("abcd efgh", 8) == ["abcd", "efgh"]


def test_the_size_can_be_counted_in_bytes():
    assert split_into_pieces("ééé ééé", 7, size=lambda text: len(text.encode())) == ["ééé", "ééé"]


def test_pieces_without_anything_to_say_are_left_out():
    assert split_into_pieces("Yes.\n...\nNo.", 100) == ["Yes.", "No."]


def test_lines_become_sentences_of_one_paragraph():
    assert join_paragraphs("A title\n---\nYes, he said,\n你好") == "A title. Yes, he said, 你好."
    assert split_into_pieces(join_paragraphs("Who?\nMe.\n" * 20), 200) == [
        " ".join(["Who? Me."] * 20)
    ]


@given(text=st.text(min_size=1, max_size=300), limit=st.integers(1, 60))
def test_nothing_that_can_be_said_is_lost(text: str, limit: int):
    try:
        ready = clean(text)
    except EngineError:
        return
    result = split_into_pieces(ready, limit)
    assert all(len(piece) <= limit for piece in result)
    assert _said("".join(result)) == _said(ready)


def _said(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c)[0] in "LN")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Plain, 42 %.", "Plain, 42 %."),
        ("Grüße, façade", "Gruse, facade"),
        ("да", "dea"),
        ("😀!", "grinning face !"),
        ("é€", "e euro sign"),
        ("你好", ""),
    ],
)
def test_reading_in_ascii(text: str, read: str):
    assert romanise(text) == read


@given(st.text(max_size=100))
def test_what_is_read_in_ascii_is_ascii(text: str):
    assert romanise(text).isascii()
