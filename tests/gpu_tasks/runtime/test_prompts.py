"""Prompts as models get them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.runtime.prompts import MAX_PROMPT_CHARACTERS, clean_prompt


def refused(prompt: str) -> str:
    with pytest.raises(EngineError) as caught:
        clean_prompt(prompt)
    assert caught.value.code is ErrorCode.INPUT_INVALID
    return caught.value.message


@pytest.mark.parametrize(
    ("prompt", "line"),
    [
        ("  a cat\n\ton the\x00moon\x1b[31m ", "a cat on the moon [31m"),
        ("right\u202eto left", "right to left"),
        ("Füchse, 狐, 🦊", "Füchse, 狐, 🦊"),
        ("👩\u200d🚀", "👩\u200d🚀"),
    ],
)
def test_it_is_one_line_of_what_can_be_read(prompt: str, line: str):
    assert clean_prompt(prompt) == line


@pytest.mark.parametrize("prompt", ["", "   ", "\x00\x07", "\u200b\u200d", "\ud800"])
def test_nothing_to_read_is_refused(prompt: str):
    assert refused(prompt) == "The prompt is empty."


def test_the_longest_is_taken_and_one_more_refused():
    longest = "x" * MAX_PROMPT_CHARACTERS
    assert clean_prompt(longest) == longest
    assert str(MAX_PROMPT_CHARACTERS) in refused(f"{longest}x")


@given(st.text(max_size=60))
def test_cleaning_twice_is_cleaning_once(prompt: str):
    try:
        line = clean_prompt(prompt)
    except EngineError:
        return
    assert clean_prompt(line) == line
    assert "\n" not in line
