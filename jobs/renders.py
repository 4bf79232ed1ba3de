"""What is rendered: refused before it is paid for, and paid for before it is looked at and kept."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from jobs.budget import Budget
from projects import edl
from projects.models import Project
from projects.rendering import folders, limits, timelines

PROBLEMS = (
    edl.TimelineMissingProblem,
    timelines.EmptyTimelineProblem,
    timelines.ClipsOfflineProblem,
    timelines.TimelineTooLongProblem,
    limits.NothingToHearProblem,
    limits.NothingToShowProblem,
    limits.PicturesTooLargeProblem,
    limits.FilmTooLargeProblem,
    folders.TooManyRendersProblem,
    folders.StoredTimelineTooLargeProblem,
)
"""What cannot be rendered, or not now."""


def take_timeline_snapshot(
    parameters: Mapping[str, Any],
    budget: Budget | None,
    price: Callable[[Mapping[str, Any]], int],
) -> dict[str, Any]:
    """The project's timeline as it is now, as a job's parameters tell it; kept if it is submitted.

    ``price`` tells the credits for parameters. Raises what cannot be rendered, and
    ``InsufficientCreditsProblem``.
    """
    project: Project = parameters["project_id"]
    length = timelines.get_length(project)
    timeline = {"frame_rate": timelines.exact_frame_rate(project), "duration_ms": length}
    like = {**parameters, "timeline": timeline}
    output = timelines.build_output(like)
    limits.refuse_too_large(length, output)
    with_captions = parameters["captions"] != "none"
    if budget is None:  # an estimate, for which nothing is kept
        told, _ = timelines.take_snapshot(project, with_captions=with_captions)
        limits.refuse_impossible(told, output)
        return asdict(told)
    # What was quoted may be less than today's price.
    budget.need(1 if "quote_id" in parameters else price(like))
    told, content = budget.once(
        (project.pk, with_captions),
        lambda: timelines.take_snapshot(project, with_captions=with_captions, count=budget.add),
    )
    limits.refuse_impossible(told, output)
    name = told.name
    budget.once((project.pk, name), lambda: folders.store_timeline(project, name, content))
    return asdict(told)
