"""Provide the commands that run features and follow jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from auteur_client.api.job_kinds import KINDS
from auteur_client.cli.files import (
    Film,
    IntoProject,
    Output,
    Resume,
    fetch_result,
)
from auteur_client.cli.ids import complete_id
from auteur_client.cli.screen import Screen
from auteur_client.cli.session import AsJson, Force, check_target, signed_in
from auteur_client.cli.steps import Steps
from auteur_client.client import Auteur
from auteur_client.errors import JobFailedError
from auteur_client.jobs import list_result_ids

if TYPE_CHECKING:
    from auteur_client.api.job_kinds import FeatureName, Job

COMMON_PARAMETERS = {"quote_id", "callback_url", "project_id"}
"""Accepted by every feature."""
TRUE, FALSE = ("true", "yes", "on"), ("false", "no", "off")

Format = Literal["srt", "vtt", "txt"]
Language = Annotated[str | None, typer.Option(help="An ISO 639-1 code; English by default.")]
Quote = Annotated[bool, typer.Option("--quote", help="Only print the price.")]


def register_commands(app: typer.Typer) -> None:
    """Register these commands."""
    app.command(epilog="Example: auteur transcribe talk.mp4 --srt")(transcribe)
    app.command(epilog="Example: auteur caption talk.mp4 -o film.mp4")(caption)
    app.command(
        epilog='Example: auteur run tts text="Good morning" -o hello.wav',
        add_help_option=False,
    )(run)
    app.command(epilog="Example: auteur render 5b1c… -o film.mp4")(render)
    app.command(epilog="Example: auteur watch 77aa… --json")(watch)


def list_slugs() -> list[str]:
    """Return the features as they are named in URLs, for completion."""
    return [kind.replace("_", "-") for kind in KINDS]


def transcribe(
    file: Film,
    srt: Annotated[bool, typer.Option("--srt", help="Write captions as SubRip.")] = False,
    vtt: Annotated[bool, typer.Option("--vtt", help="Write captions as WebVTT.")] = False,
    txt: Annotated[bool, typer.Option("--txt", help="Write the text.")] = False,
    language: Language = None,
    project: IntoProject = None,
    resume: Resume = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Upload and transcribe a recording; print the text unless files are requested.

    talk.mp4 becomes talk.srt in the current folder. It contains the transcript of the whole
    project: use a new project for each recording.
    """
    formats: dict[Format, bool] = {"srt": srt, "vtt": vtt, "txt": txt}
    targets = {
        name: check_target(Path(f"{file.stem}.{name}"), force) for name in formats if formats[name]
    }
    with signed_in(as_json) as (auteur, screen):
        steps = Steps(auteur, screen, file, command="transcribe", project=project, resume=resume)
        media = steps.media()
        job = steps.job("transcription", media_id=str(media.id), language=language)
        project_id = steps.project()
        for name, target in targets.items():
            target.write_text(auteur.captions(project_id, name), encoding="utf-8")
        steps.done()
        files = [str(target) for target in targets.values()]
        text = "\n".join(files) or auteur.captions(project_id, "txt").rstrip("\n")
        result = {"project_id": project_id, "media_id": media.id, "files": files}
        screen.show(result | {"job": job.to_dict()}, text)


def caption(
    file: Film,
    output: Output = None,
    language: Language = None,
    resume: Resume = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Render a film with captions burned in, in a new project.

    talk.mp4 becomes talk-captioned.mp4 in the current folder, unless --output is given.
    """
    target = check_target(output or Path(f"{file.stem}-captioned.mp4"), force)
    with signed_in(as_json) as (auteur, screen):
        steps = Steps(auteur, screen, file, command="caption", project=None, resume=resume)
        media_id = str(steps.media().id)
        steps.job("transcription", media_id=media_id, language=language)
        # The track has the media's id, so that a retry sends the same request.
        steps.edit(
            [
                {"op": "add_track", "track_id": media_id, "type": "video", "name": "Film"},
                {"op": "add_clip", "track_id": media_id, "media_file_id": media_id},
            ]
        )
        project_id = steps.project()
        job = steps.job("render", project_id=project_id, captions="burned")
        files = fetch_result(auteur, screen, job, target)
        steps.done()
        result = {"project_id": project_id, "media_id": media_id, "files": files}
        screen.show(result | {"job": job.to_dict()}, "\n".join(files))


def run(
    ctx: typer.Context,
    feature: Annotated[
        str | None,
        typer.Argument(autocompletion=list_slugs, help="Such as tts; by default all are listed."),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE", help="The parameters of the feature."),
    ] = None,
    output: Output = None,
    quote: Quote = False,
    name: Annotated[
        str | None,
        typer.Option(help="A name for this job: within a day, the same name returns the same job."),
    ] = None,
    force: Force = False,
    show_help: Annotated[
        bool, typer.Option("--help", help="Show this message, or the parameters of FEATURE.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run an AI feature; without FEATURE, list the features."""
    if show_help and feature is None:
        typer.echo(ctx.get_help())
        return
    shows_only = show_help or feature is None
    with signed_in(as_json, needs_token=not shows_only) as (auteur, screen):
        features = auteur.request("GET", "/features")["features"]
        if feature is None:
            screen.show(features, lambda: _print_features(screen, features))
            return
        by_type = {item["type"]: item for item in features}
        declaration = by_type.get(feature.replace("-", "_"))
        if declaration is None:
            names = ", ".join(sorted(kind.replace("_", "-") for kind in by_type))
            raise typer.BadParameter(f"There is no feature {feature}. Choose one of: {names}.")
        if show_help:
            screen.show(declaration, lambda: _print_parameters(screen, declaration))
            return
        values = dict(parse_parameter(text, declaration["parameters"]) for text in parameters or ())
        # An installation may have more features than the contract.
        feature_name = cast("FeatureName", feature.replace("_", "-"))
        FeatureRequest(auteur, screen, feature_name, values).run(output, quote, name, force)


def render(
    project: Annotated[str, typer.Argument(help="The id of a project.")],
    output: Output = None,
    format: Annotated[
        Literal["mp4", "webm", "mov", "m4a"] | None, typer.Option(help="mp4 by default.")
    ] = None,
    resolution: Annotated[str | None, typer.Option(help="Such as 1280x720.")] = None,
    captions: Annotated[
        Literal["none", "burned", "embedded"] | None,
        typer.Option(help="How captions are included."),
    ] = None,
    proxy: Annotated[bool, typer.Option("--proxy", help="Render a small proxy fast.")] = False,
    quote: Quote = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Render a project's timeline to a film."""
    with signed_in(as_json) as (auteur, screen):
        values: dict[str, Any] = {"project_id": project, "resolution": resolution}
        values |= {"captions": captions, "proxy": proxy or None}
        values["format"] = format or (output and _get_format(output))
        FeatureRequest(auteur, screen, "render", values).run(output, quote, None, force)


def watch(
    job: Annotated[str | None, typer.Argument(help="The id of a job; all jobs by default.")] = None,
    output: Output = None,
    after: Annotated[
        int | None, typer.Option(min=0, help="For all jobs: only events after this number.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Follow a job to its end; without JOB, print the events of all jobs without end."""
    with signed_in(as_json) as (auteur, screen):
        if job is None:
            _print_events(auteur, screen, after)
        else:
            target = output and check_target(output, force)
            _follow(auteur, screen, complete_id(auteur, "jobs", job), "job", target)


class FeatureRequest:
    """A feature with its parameters, to be priced or run."""

    def __init__(
        self, auteur: Auteur, screen: Screen, feature: FeatureName, parameters: dict[str, Any]
    ) -> None:
        self._auteur = auteur
        self._screen = screen
        self._feature = feature
        self._parameters = parameters

    def run(self, output: Path | None, quote: bool, name: str | None, force: bool) -> None:
        """Run the feature to its end, or only print its price."""
        if quote:
            price = self._auteur.estimate(self._feature, **self._parameters)
            self._screen.show(price.to_dict(), f"{price.credits} credits")
            return
        target = output and check_target(output, force)
        submission = self._auteur.submit(self._feature, idempotency_key=name, **self._parameters)
        self._screen.say(f"Job {submission.job_id}, {submission.credits_cost} credits")
        _follow(self._auteur, self._screen, str(submission.job_id), self._feature, target)


def _follow(auteur: Auteur, screen: Screen, job_id: str, label: str, target: Path | None) -> None:
    """Follow a job to its end and download its outputs; raise ``JobFailedError`` if it fails."""
    words = f" -o {target}" if target else ""
    screen.hint = f"The job continues. Follow it with: auteur watch {job_id}{words}"
    with screen.job(label) as progress:
        job = auteur.wait(job_id, on_progress=progress)
    if job.status != "completed":
        raise JobFailedError(job)
    files = fetch_result(auteur, screen, job, target) if target else []
    screen.show(job.to_dict() | {"files": files}, "\n".join(files) or _describe_result(job))


def _describe_result(job: Job) -> str:
    """Return the commands that download a job's outputs, or else its answer."""
    commands = [f"auteur download {media_id}" for media_id in list_result_ids(job)]
    answer = (job.to_dict().get("output_data") or {}).get("answer")
    return "\n".join(commands) or str(answer or f"Job {job.id} is completed.")


def _print_events(auteur: Auteur, screen: Screen, after: int | None) -> None:
    for event in auteur.events(after):
        screen.hint = f"Continue with: auteur watch --after {event.seq}"
        job_id = event.data.get("job_id", "")
        document = {"seq": event.seq, "type": event.type, "timestamp": event.timestamp}
        screen.show(
            document | {"data": event.data},
            f"{event.timestamp:%Y-%m-%d %H:%M:%S} {event.type} {job_id}",
        )


def parse_parameter(text: str, declarations: dict[str, Any]) -> tuple[str, Any]:
    """Return the name and the converted value of `NAME=VALUE`; raise ``typer.BadParameter``."""
    name, separator, value = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"{text} is not a parameter. Write NAME=VALUE.")
    if name not in declarations and name not in COMMON_PARAMETERS:
        raise typer.BadParameter(
            f"There is no parameter {name}. Choose one of: {', '.join(declarations)}."
        )
    kind = declarations.get(name, {}).get("type", "string")
    try:
        return name, CONVERTERS.get(kind, str)(value)
    except ValueError:
        raise typer.BadParameter(
            f"{value} is not a valid {name}. Give a value of type {kind}."
        ) from None


def _parse_boolean(value: str) -> bool:
    if value.lower() not in TRUE + FALSE:
        raise ValueError(value)
    return value.lower() in TRUE


CONVERTERS: dict[str, Callable[[str], object]] = {
    "boolean": _parse_boolean,
    "integer": int,
    "number": float,
}


def _get_format(output: Path) -> str | None:
    suffix = output.suffix.removeprefix(".").lower()
    return suffix if suffix in ("mp4", "webm", "mov", "m4a") else None


def _print_features(screen: Screen, features: list[dict[str, Any]]) -> None:
    rows = [
        (
            item["type"].replace("_", "-"),
            _format_price(item["price"]),
            _get_note(item),
            item["title"],
        )
        for item in features
    ]
    screen.table(("feature", "credits", "", "what"), rows)


def _print_parameters(screen: Screen, feature: dict[str, Any]) -> None:
    screen.line(f"{feature['title']}: {_format_price(feature['price'])}")
    rows = []
    for name, declaration in feature["parameters"].items():
        choices = ", ".join(str(choice) for choice in declaration.get("choices", ()))
        default = declaration.get("default")
        note = "required" if declaration["required"] else "" if default is None else str(default)
        rows.append((name, declaration["type"], note, choices or declaration["description"]))
    screen.table(("parameter", "type", "default", "what"), rows)


def _format_price(price: dict[str, Any]) -> str:
    if price.get("text"):
        return str(price["text"])
    base = f"{price['base']} + " if price["base"] else ""
    per = f" / {price['per']} {price['unit']}" if price["per"] else ""
    return "see --quote" if price["credits"] is None else f"{base}{price['credits']}{per}"


def _get_note(feature: dict[str, Any]) -> str:
    if not feature["available"]:
        return "unavailable"
    return "draft" if feature["is_draft"] else ""
