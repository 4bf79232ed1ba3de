"""What cannot be rendered of a timeline is refused before it is charged."""

from auteur.api.problems import Problem
from gpu_tasks.render.contract import Format, Output
from projects.rendering.timelines import Kept


class NothingToHear(Problem):
    """The sound alone is asked for, of a timeline that is silent."""

    status_code = 422
    default_code = "no_sound"
    default_detail = "No clip of the timeline is heard: there would be nothing in the file."


def refuse_impossible(kept: Kept, output: Output) -> None:
    """Refuse what no engine could make.

    Raises ``NothingToHear``.
    """
    if output.format is Format.M4A and not kept.is_heard:
        raise NothingToHear
