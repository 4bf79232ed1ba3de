"""Sound that an audio track plays is not heard from the clip as well, which is found in order."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from projects.rendering import timelines
from tests.projects.timeline.making import MEDIA, clip, track


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=6),
    st.tuples(st.integers(0, 60), st.integers(1, 9)),
)
@settings(max_examples=200, deadline=None, database=None, derandomize=True)
def test_a_clip_meets_what_any_pair_meets(others: list[Any], one: Any) -> None:
    clips = [clip(str(n), start, 0, length) for n, (start, length) in enumerate(others)]
    start, length = one
    shown = clip("shown", start, 0, length)

    played = timelines._detached([track(*clips, kind="audio")]).get(MEDIA, [])

    assert timelines._meets(shown, played) == any(
        start < other + more and other < start + length for other, more in others
    )
