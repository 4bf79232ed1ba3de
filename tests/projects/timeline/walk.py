"""Any operation on any EDL: numbers that Hypothesis draws, made into what could be asked next."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from projects.timeline.content import Content, all_clips

Step = tuple[str, int, int, int, int]
"""A kind of operation, and numbers that choose among what is there."""

MAX_TRACKS = 3
MODES = ("gap", "ripple")


def _mode(number: int) -> str:
    return MODES[number % 2]


def _effect(number: int) -> dict[str, Any]:
    return (
        {"type": "speed", "rate": (0.5, 1.5, 2, 0.333, 10)[number % 5]},
        {"type": "cross_fade", "duration_ms": 1 + number % 900},
        {"type": "fade_out", "duration_ms": 5},
        {"type": "x_volume", "level": number / 4},
    )[number % 4]


def _clip(content: Content, number: int) -> str:
    clips = list(all_clips(content.tracks))
    return clips[number % len(clips)]["id"] if clips else "none"


def _segment(content: Content, number: int) -> Any:
    return content.segments[number % len(content.segments)]


def _track(content: Content, number: int) -> str:
    return content.tracks[number % len(content.tracks)]["id"] if content.tracks else "none"


def _words(content: Content, a: int, b: int, c: int) -> dict[str, Any]:
    chosen = _segment(content, a)
    first = b % len(chosen["words"])
    last = first + c % (len(chosen["words"]) - first)
    return {"segment_id": chosen["id"], "first": first, "last": last}


def _said(content: Content, number: int) -> str:
    words = _segment(content, number)["words"]
    return str(words[number % len(words)]["word"])


def _split(content: Content, a: int, b: int) -> dict[str, Any]:
    clips = list(all_clips(content.tracks))
    chosen = clips[a % len(clips)] if clips else {"id": "none", "start_ms": 0, "duration_ms": 2}
    return {"clip_id": chosen["id"], "at_ms": chosen["start_ms"] + b % chosen["duration_ms"]}


MAKERS: dict[str, Callable[[Content, str, int, int, int, int], dict[str, Any]]] = {
    "add_track": lambda x, media, a, b, c, d: {
        "type": ("video", "audio")[a % 2],
        "name": "T",
        "index": b % (len(x.tracks) + 1),
    },
    "add_clip": lambda x, media, a, b, c, d: {
        "track_id": _track(x, a),
        "media_file_id": media,
        "start_ms": b,
        "in_point_ms": c % 4000,
        "out_point_ms": c % 4000 + 1 + d,
    },
    "move_clip": lambda x, media, a, b, c, d: {
        "clip_id": _clip(x, a),
        "start_ms": b,
        "track_id": _track(x, c),
    },
    "trim_clip": lambda x, media, a, b, c, d: {
        "clip_id": _clip(x, a),
        "in_point_ms": b % 3000,
        **({"out_point_ms": b % 3000 + c} if d % 2 else {}),
    },
    "split_clip": lambda x, media, a, b, c, d: _split(x, a, b),
    "delete_clip": lambda x, media, a, b, c, d: {"clip_id": _clip(x, a), "mode": _mode(b)},
    "restore_clip": lambda x, media, a, b, c, d: {
        "clip_id": _clip(x, a),
        **({"mode": _mode(c)} if b % 2 else {}),
    },
    "set_effect": lambda x, media, a, b, c, d: {"clip_id": _clip(x, a), "effect": _effect(b)},
    "remove_effect": lambda x, media, a, b, c, d: {
        "clip_id": _clip(x, a),
        "type": _effect(b)["type"],
    },
    "edit_word": lambda x, media, a, b, c, d: {
        "segment_id": _segment(x, a)["id"],
        "word": b % len(_segment(x, a)["words"]),
        "text": None if c % 3 == 0 else "w" * (c % 20),
    },
    "edit_segment": lambda x, media, a, b, c, d: {
        "segment_id": _segment(x, a)["id"],
        "edited_text": None if b % 3 == 0 else "t" * (b % 50),
    },
    "delete_segment": lambda x, media, a, b, c, d: {
        "segment_id": _segment(x, a)["id"],
        "mode": _mode(b),
    },
    "restore_segment": lambda x, media, a, b, c, d: {"segment_id": _segment(x, a)["id"]},
    "delete_words": lambda x, media, a, b, c, d: {**_words(x, a, b, c), "mode": _mode(d)},
    "restore_words": lambda x, media, a, b, c, d: _words(x, a, b, c),
    "cut_fillers": lambda x, media, a, b, c, d: {
        "words": [_said(x, a), _said(x, b)][: 1 + c % 2],
        "mode": _mode(d),
    },
    "set_captions_style": lambda x, media, a, b, c, d: {
        "style": None if a % 3 == 0 else {"max_lines": 1 + b % 4, "uppercase": bool(c % 2)}
    },
    "cut_silences": lambda x, media, a, b, c, d: {
        "threshold_ms": 50 + a % 400,
        "padding_ms": b % 40,
        "mode": _mode(c),
    },
}

NUMBERS = st.integers(0, 6000)
STEPS: st.SearchStrategy[Step] = st.tuples(
    st.sampled_from(sorted(MAKERS)), NUMBERS, NUMBERS, NUMBERS, NUMBERS
)


def operation(content: Content, media: str, step: Step) -> dict[str, Any]:
    """The named operation that a step stands for on this content."""
    kind, *numbers = step
    return {"op": kind, **MAKERS[kind](content, media, *numbers)}


def walks(longest: int) -> st.SearchStrategy[Sequence[Step]]:
    """Some steps."""
    return st.lists(STEPS, min_size=1, max_size=longest)
