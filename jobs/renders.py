"""Take snapshots of timelines for renders: refuse impossible ones first, then check the credits."""

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
"""The problems of a timeline that cannot be rendered, or not now."""


def take_timeline_snapshot(
    parameters: Mapping[str, Any],
    budget: Budget | None,
    price: Callable[[Mapping[str, Any]], int],
) -> dict[str, Any]:
    """Return the project's current timeline for a job's parameters; store it if it is submitted.

    ``price`` computes the credits for parameters. Raises `PROBLEMS` and
    ``InsufficientCreditsProblem``.
    """
    project: Project = parameters["project_id"]
    length = timelines.get_length(project)
    timeline = {"frame_rate": timelines.get_exact_frame_rate(project), "duration_ms": length}
    render_parameters = {**parameters, "timeline": timeline}
    output = timelines.build_output(render_parameters)
    limits.check_output_size(length, output)
    with_captions = parameters["captions"] != "none"
    if budget is None:  # An estimate stores nothing.
        snapshot, _ = timelines.take_snapshot(project, with_captions=with_captions)
        limits.check_render(snapshot, output)
        return asdict(snapshot)
    # A quote may be lower than today's price.
    budget.need(1 if "quote_id" in parameters else price(render_parameters))
    snapshot, content = budget.once(
        (project.pk, with_captions),
        lambda: timelines.take_snapshot(project, with_captions=with_captions, count=budget.add),
    )
    limits.check_render(snapshot, output)
    name = snapshot.name
    budget.once((project.pk, name), lambda: folders.store_timeline(project, name, content))
    return asdict(snapshot)
