"""How captions look: set, refused, undone, and kept by what else changes the timeline."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from gpu_tasks.render.contract import captions
from media.models import MediaFile
from projects.models import Project
from tests.projects.timeline.asking import errors, operate, put, speak, tracks, url

pytestmark = pytest.mark.django_db

DEFAULT = captions.DEFAULT.model_dump()


def style_of(api: APIClient, project: Project) -> Any:
    return api.get(url(project)).json()["captions_style"]


def set_style(api: APIClient, project: Project, style: Any) -> Any:
    return operate(api, project, {"op": "set_captions_style", "style": style})


def test_it_is_set_undone_and_redone(api: APIClient, project: Project) -> None:
    assert style_of(api, project) is None

    answer = set_style(api, project, {"color": "#ffcc00", "position": "top"}).json()
    wanted = DEFAULT | {"color": "#ffcc00", "position": "top"}

    change = {"op": "replace", "path": "/captions_style", "value": wanted}
    assert (answer["version"], answer["undo_depth"], answer["patch"]) == (2, 1, [change])
    assert style_of(api, project) == wanted
    assert api.post(f"{url(project)}/undo").json()["patch"] == [change | {"value": None}]
    assert style_of(api, project) is None
    assert api.post(f"{url(project)}/redo").json()["patch"] == [change]
    assert style_of(api, project) == wanted


def test_null_returns_to_the_default(api: APIClient, project: Project) -> None:
    set_style(api, project, {"uppercase": True})

    assert set_style(api, project, None).json()["version"] == 3
    assert style_of(api, project) is None
    assert set_style(api, project, None).json()["version"] == 3  # nothing has changed


def test_what_is_absent_is_as_in_the_default(api: APIClient, project: Project) -> None:
    set_style(api, project, {"uppercase": True})
    set_style(api, project, {"bold": True})

    assert style_of(api, project) == DEFAULT | {"bold": True}


@pytest.mark.parametrize(
    ("name", "least", "most", "below", "above"),
    [
        ("size_percent", captions.MIN_SIZE, captions.MAX_SIZE, 1.99, 12.01),
        ("outline_percent", captions.MIN_OUTLINE, captions.MAX_OUTLINE, 0.99, 20.01),
        ("max_lines", 1, captions.MAX_LINES, 0, 5),
        ("max_line_length", captions.MIN_LINE, captions.MAX_LINE, 7, 81),
    ],
)
def test_numbers_have_bounds(
    api: APIClient, project: Project, name: str, least: Any, most: Any, below: Any, above: Any
) -> None:
    for value in (least, most):
        assert set_style(api, project, {name: value}).status_code == 200
    for value, code in ((below, "greater_than_equal"), (above, "less_than_equal")):
        assert errors(set_style(api, project, {name: value})) == [
            (f"operations.0.style.{name}", code)
        ]


@pytest.mark.parametrize("name", ["color", "background_color", "outline_color"])
def test_colours_are_told_in_hexadecimal(api: APIClient, project: Project, name: str) -> None:
    for good in ("#000000", "#aBcDeF", "#01234567"):
        assert set_style(api, project, {name: good}).status_code == 200
    for bad in ("red", "#fff", "#0000000", "#00000g", "#000000\n", "#000000:x=1", "&H00FFFFFF&"):
        answer = set_style(api, project, {name: bad})
        assert errors(answer) == [(f"operations.0.style.{name}", "string_pattern_mismatch")]


@pytest.mark.parametrize(
    "style",
    [
        {"font": "/etc/passwd"},
        {"font": "sans':fontfile='/x"},
        {"position": "left"},
        {"alignment": "justify"},
        {"bold": 1},
        {"uppercase": "yes"},
        {"max_lines": 1.5},
        {"size_percent": "5"},
        {"size_percent": True},
        {"color": None},
        {"shadow": True},
        [],
    ],
)
def test_nothing_else_is_taken(api: APIClient, project: Project, style: Any) -> None:
    assert set_style(api, project, style).status_code == 400
    assert style_of(api, project) is None


def test_a_replaced_timeline_keeps_it_unless_it_says_otherwise(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    set_style(api, project, {"bold": True})

    put(api, project, {"tracks": tracks(film, 0)})
    assert style_of(api, project) == DEFAULT | {"bold": True}
    answered = api.get(url(project)).json() | {"captions_style": {"max_lines": 1}}
    assert put(api, project, answered).status_code == 200
    assert style_of(api, project) == DEFAULT | {"max_lines": 1}
    put(api, project, {"tracks": [], "captions_style": None})
    assert style_of(api, project) is None
    api.post(f"{url(project)}/undo")
    assert style_of(api, project) == DEFAULT | {"max_lines": 1}


def test_it_is_one_edit_with_others_and_outlives_a_delivery(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    style = {"op": "set_captions_style", "style": {"font": "italic"}}
    moved = {"op": "move_clip", "clip_id": "c0", "start_ms": 500}
    assert operate(api, project, style, moved).json()["undo_depth"] == 2
    speak(project, film)

    api.post(f"{url(project)}/undo")
    told = api.get(url(project)).json()
    assert (told["captions_style"], told["tracks"]) == (None, tracks(film, 0))
    assert len(told["transcript"]["segments"]) == 1
    api.post(f"{url(project)}/redo")
    assert style_of(api, project) == DEFAULT | {"font": "italic"}
