"""What one render of a kept timeline needs: stretches that are there, and sources of the others."""

from dataclasses import dataclass

from gpu_tasks.render.contract import Output, Timeline
from gpu_tasks.render.contract.segments import plan_render
from projects.models import Project
from projects.rendering import folders, timelines


@dataclass(frozen=True)
class Needs:
    """Keys of objects; a source is None where no stretch to be made plays it."""

    timeline: Timeline
    sources: list[str | None]
    ready: list[str]
    made: list[str]


def needs_of(project: Project, *, timeline: str, output: Output) -> Needs:
    """For the timeline that was kept under a name; raises ``ObjectMissingError``."""
    folders.enter(project)
    kept = timelines.kept(project, timeline)
    segments = plan_render(kept, output).segments
    keys = {name: folders.stretch_key(project, name) for name in segments}
    there = folders.kept_keys(project)
    missing = [name for name, key in keys.items() if key not in there]
    played = {piece.source for name in missing for piece in segments[name].pieces}
    return Needs(
        timeline=kept,
        sources=[
            source.id if place in played else None for place, source in enumerate(kept.sources)
        ],
        ready=[key for key in keys.values() if key in there],
        made=[keys[name] for name in missing],
    )
