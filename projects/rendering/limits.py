"""Refuse timelines that cannot be rendered, before the render is charged."""

from auteur.core.api.problems import Problem
from gpu_tasks.render.contract import MAX_FRAME_PIXELS, Captions, Format, Output
from projects.rendering.timelines import Snapshot


class NothingToHearProblem(Problem):
    """Raised if only sound is requested and the timeline is silent."""

    status_code = 422
    default_code = "no_sound"
    default_detail = "No clip of the timeline is audible, so the file would be empty."


class NothingToShowProblem(Problem):
    """Raised if captions are requested for an audio format."""

    status_code = 422
    default_code = "captions_without_pictures"
    default_detail = "An audio format has no captions. Choose a video format or no captions."


class PicturesTooLargeProblem(Problem):
    """Raised if the resolution is larger than encoders support."""

    status_code = 422
    default_code = "resolution_too_large"
    default_detail = (
        f"The resolution is too large: at most {MAX_FRAME_PIXELS} pixels are possible, such as "
        "8192x4352."
    )


class FilmTooLargeProblem(Problem):
    """Raised if rendering would exceed the time limit. ``longest_ms`` is the longest duration."""

    status_code = 422
    default_code = "film_too_large"

    def __init__(self, output: Output) -> None:
        minutes, seconds = divmod(output.longest_ms // 1000, 60)
        size = f"{output.width}x{output.height}, {float(output.rate):.4g} frames a second"
        super().__init__(
            f"At most {minutes} min {seconds} s can be rendered as {output.format} of {size}.",
            longest_ms=output.longest_ms,
        )


def check_render(snapshot: Snapshot, output: Output) -> None:
    """Refuse a render that no engine can make, or none within the time limit.

    Raises ``NothingToHearProblem``, ``NothingToShowProblem``, ``PicturesTooLargeProblem``,
    ``FilmTooLargeProblem``.
    """
    check_output_size(snapshot.duration_ms, output)
    if output.format is Format.M4A:
        if not snapshot.is_audible:
            raise NothingToHearProblem
        if output.captions is not Captions.NONE:
            raise NothingToShowProblem


def check_output_size(duration_ms: int, output: Output) -> None:
    """Refuse a render that is too large or too long, judged by the length of the film.

    Raises ``PicturesTooLargeProblem``, ``FilmTooLargeProblem``.
    """
    if output.format is Format.M4A:
        return
    if output.width * output.height > MAX_FRAME_PIXELS:
        raise PicturesTooLargeProblem
    if duration_ms > output.longest_ms:
        raise FilmTooLargeProblem(output)
