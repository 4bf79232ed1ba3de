"""What is understood of prompts."""

import pytest

from gpu_tasks.audio_generation.prompt import EMPHASIS_DB, MAX_LAYERS, VOCABULARY, parse_layers


def layers(prompt: str) -> list[str]:
    return list(parse_layers(prompt))


@pytest.mark.parametrize(
    ("prompt", "heard"),
    [
        ("Heavy RAIN, and howling wind.", ["rain", "wind"]),
        ("a rainy street", ["rain", "city"]),
        ("It is raining; church bells", ["rain", "bells"]),
        ("waves on beaches", ["sea"]),
        ("a thunderstorm", ["rain", "thunder"]),
        ("birds singing by a stream", ["birds", "stream"]),
        ("lo-fi hip-hop beat", ["drums"]),
        ("trains and rainbows", []),
        ("xyzzy", []),
        ("雨の音", []),
        ("…!?", []),
    ],
)
def test_words_call_for_layers_in_their_order(prompt: str, heard: list[str]):
    assert layers(prompt) == heard


@pytest.mark.parametrize(
    ("prompt", "heard"),
    [
        ("forest without birds", []),
        ("a beat, no drums", []),
        ("rain but not the thunder", ["rain"]),
        ("no rain, just wind", ["wind"]),
    ],
)
def test_what_is_not_wanted_is_left_out(prompt: str, heard: list[str]):
    assert layers(prompt) == heard


def test_emphasis_belongs_to_the_next_layer():
    gains = parse_layers("heavy rain, distant thunder and birds")
    assert gains == {"rain": EMPHASIS_DB, "thunder": -EMPHASIS_DB, "birds": 0.0}


def test_a_word_said_again_keeps_its_emphasis():
    assert parse_layers("rain, loud rain, rain") == {"rain": EMPHASIS_DB}


def test_there_are_never_more_layers_than_the_bound():
    everything = " ".join(VOCABULARY.values())
    assert len(layers(everything)) == MAX_LAYERS
