"""Work: asked for, followed, its results."""

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
from auteur_client.cli.ids import full_id
from auteur_client.cli.screen import Screen
from auteur_client.cli.session import AsJson, Force, free, signed_in
from auteur_client.cli.steps import Steps
from auteur_client.client import Auteur
from auteur_client.errors import JobFailedError
from auteur_client.jobs import results_of

if TYPE_CHECKING:
    from auteur_client.api.job_kinds import FeatureName, Job

COMMON_PARAMETERS = {"quote_id", "callback_url", "project_id"}
"""Accepted by every feature."""
TRUE, FALSE = ("true", "yes", "on"), ("false", "no", "off")

Format = Literal["srt", "vtt", "txt"]
Language = Annotated[str | None, typer.Option(help="ISO 639-1; English if left out.")]
Quote = Annotated[bool, typer.Option("--quote", help="Only say what it costs.")]


def add_to(app: typer.Typer) -> None:
    """Have these commands."""
    app.command(epilog="Example: auteur transcribe talk.mp4 --srt")(transcribe)
    app.command(epilog="Example: auteur caption talk.mp4 -o film.mp4")(caption)
    app.command(
        epilog='Example: auteur run tts text="Good morning" -o hello.wav',
        add_help_option=False,
    )(run)
    app.command(epilog="Example: auteur render 5b1c… -o film.mp4")(render)
    app.command(epilog="Example: auteur watch 77aa… --json")(watch)


def slugs() -> list[str]:
    """Features as addresses name them, for completion."""
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
    """Upload a recording and write down what is said; prints the text if no file is wanted.

    talk.mp4 becomes talk.srt in the folder where the command is run. It holds all that is said in
    the project: give each recording its own.
    """
    wanted: dict[Format, bool] = {"srt": srt, "vtt": vtt, "txt": txt}
    targets = {name: free(Path(f"{file.stem}.{name}"), force) for name in wanted if wanted[name]}
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
        found = {"project_id": project_id, "media_id": media.id, "files": files}
        screen.show(found | {"job": job.to_dict()}, text)


def caption(
    file: Film,
    output: Output = None,
    language: Language = None,
    resume: Resume = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a film with its captions burned in, in a project of its own.

    talk.mp4 becomes talk-captioned.mp4 in the folder where the command is run, if nothing is said.
    """
    target = free(output or Path(f"{file.stem}-captioned.mp4"), force)
    with signed_in(as_json) as (auteur, screen):
        steps = Steps(auteur, screen, file, command="caption", project=None, resume=resume)
        media_id = str(steps.media().id)
        steps.job("transcription", media_id=media_id, language=language)
        # The track has the file's id, so that who asks again asks the same.
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
        found = {"project_id": project_id, "media_id": media_id, "files": files}
        screen.show(found | {"job": job.to_dict()}, "\n".join(files))


def run(
    ctx: typer.Context,
    feature: Annotated[
        str | None,
        typer.Argument(autocompletion=slugs, help="Such as tts; all are listed if left out."),
    ] = None,
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE", help="Its parameters.")
    ] = None,
    output: Output = None,
    quote: Quote = False,
    name: Annotated[
        str | None,
        typer.Option(help="A name for this work: asked for again with it, it is done once a day."),
    ] = None,
    force: Force = False,
    show_help: Annotated[
        bool, typer.Option("--help", help="Show this message, or the parameters of FEATURE.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run an AI feature; without one, list the features."""
    if show_help and feature is None:
        typer.echo(ctx.get_help())
        return
    shows_only = show_help or feature is None
    with signed_in(as_json, needs_token=not shows_only) as (auteur, screen):
        features = auteur.request("GET", "/features")["features"]
        if feature is None:
            screen.show(features, lambda: _print_features(screen, features))
            return
        offered = {each["type"]: each for each in features}
        found = offered.get(feature.replace("-", "_"))
        if found is None:
            known = ", ".join(sorted(kind.replace("_", "-") for kind in offered))
            raise typer.BadParameter(f"There is no feature {feature}. There are: {known}.")
        if show_help:
            screen.show(found, lambda: _print_parameters(screen, found))
            return
        values = dict(parameter(given, found["parameters"]) for given in parameters or ())
        # An installation may have more features than the contract.
        known_name = cast("FeatureName", feature.replace("_", "-"))
        Work(auteur, screen, known_name, values).do(output, quote, name, force)


def render(
    project: Annotated[str, typer.Argument(help="Its id.")],
    output: Output = None,
    format: Annotated[
        Literal["mp4", "webm", "mov", "m4a"] | None, typer.Option(help="mp4 if left out.")
    ] = None,
    resolution: Annotated[str | None, typer.Option(help="Such as 1280x720.")] = None,
    captions: Annotated[
        Literal["none", "burned", "embedded"] | None, typer.Option(help="Whether it has any.")
    ] = None,
    proxy: Annotated[bool, typer.Option("--proxy", help="Small and fast.")] = False,
    quote: Quote = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a film of a project's timeline."""
    with signed_in(as_json) as (auteur, screen):
        values: dict[str, Any] = {"project_id": project, "resolution": resolution}
        values |= {"captions": captions, "proxy": proxy or None}
        values["format"] = format or (output and _format_of(output))
        Work(auteur, screen, "render", values).do(output, quote, None, force)


def watch(
    job: Annotated[str | None, typer.Argument(help="Its id; all jobs if left out.")] = None,
    output: Output = None,
    after: Annotated[
        int | None, typer.Option(min=0, help="Of all jobs: what happened after this event.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Follow a job to its end; or, without one, tell what happens to all jobs, for ever."""
    with signed_in(as_json) as (auteur, screen):
        if job is None:
            _tell_all(auteur, screen, after)
        else:
            target = output and free(output, force)
            _follow(auteur, screen, full_id(auteur, "jobs", job), "job", target)


class Work:
    """One feature with its parameters."""

    def __init__(
        self, auteur: Auteur, screen: Screen, feature: FeatureName, parameters: dict[str, Any]
    ) -> None:
        self._auteur = auteur
        self._screen = screen
        self._feature = feature
        self._parameters = parameters

    def do(self, output: Path | None, quote: bool, name: str | None, force: bool) -> None:
        """Have it done, or only priced."""
        if quote:
            price = self._auteur.estimate(self._feature, **self._parameters)
            self._screen.show(price.to_dict(), f"{price.credits} credits")
            return
        target = output and free(output, force)
        asked = self._auteur.submit(self._feature, idempotency_key=name, **self._parameters)
        self._screen.say(f"Job {asked.job_id}, {asked.credits_cost} credits")
        _follow(self._auteur, self._screen, str(asked.job_id), self._feature, target)


def _follow(auteur: Auteur, screen: Screen, job_id: str, label: str, target: Path | None) -> None:
    """A job to its end, its result here; raises ``JobFailedError``."""
    words = f" -o {target}" if target else ""
    screen.hint = f"It goes on. See it with: auteur watch {job_id}{words}"
    with screen.job(label) as progress:
        job = auteur.wait(job_id, on_progress=progress)
    if job.status != "completed":
        raise JobFailedError(job)
    files = fetch_result(auteur, screen, job, target) if target else []
    screen.show(job.to_dict() | {"files": files}, "\n".join(files) or _result(job))


def _result(job: Job) -> str:
    """What there is to say of a job that is done."""
    made = [f"auteur download {media_id}" for media_id in results_of(job)]
    answer = (job.to_dict().get("output_data") or {}).get("answer")
    return "\n".join(made) or str(answer or f"Job {job.id} is done.")


def _tell_all(auteur: Auteur, screen: Screen, after: int | None) -> None:
    for event in auteur.events(after):
        screen.hint = f"Go on with: auteur watch --after {event.seq}"
        job_id = event.data.get("job_id", "")
        told = {"seq": event.seq, "type": event.type, "timestamp": event.timestamp}
        screen.show(
            told | {"data": event.data},
            f"{event.timestamp:%Y-%m-%d %H:%M:%S} {event.type} {job_id}",
        )


def parameter(given: str, described: dict[str, Any]) -> tuple[str, Any]:
    """`NAME=VALUE` as the feature wants it; raises ``typer.BadParameter``."""
    name, separator, value = given.partition("=")
    if not separator:
        raise typer.BadParameter(f"{given}: parameters are NAME=VALUE.")
    if name not in described and name not in COMMON_PARAMETERS:
        raise typer.BadParameter(f"No parameter {name}. Parameters: {', '.join(described)}.")
    kind = described.get(name, {}).get("type", "string")
    try:
        return name, CONVERTERS.get(kind, str)(value)
    except ValueError:
        raise typer.BadParameter(f"{name} is of type {kind}.") from None


def _boolean(value: str) -> bool:
    if value.lower() not in TRUE + FALSE:
        raise ValueError(value)
    return value.lower() in TRUE


CONVERTERS: dict[str, Callable[[str], object]] = {
    "boolean": _boolean,
    "integer": int,
    "number": float,
}


def _format_of(output: Path) -> str | None:
    suffix = output.suffix.removeprefix(".").lower()
    return suffix if suffix in ("mp4", "webm", "mov", "m4a") else None


def _print_features(screen: Screen, features: list[dict[str, Any]]) -> None:
    rows = [
        (each["type"].replace("_", "-"), _price(each["price"]), _note(each), each["title"])
        for each in features
    ]
    screen.table(("feature", "credits", "", "what"), rows)


def _print_parameters(screen: Screen, feature: dict[str, Any]) -> None:
    screen.line(f"{feature['title']}: {_price(feature['price'])}")
    rows = []
    for name, described in feature["parameters"].items():
        choices = ", ".join(str(choice) for choice in described.get("choices", ()))
        default = described.get("default")
        note = "required" if described["required"] else "" if default is None else str(default)
        rows.append((name, described["type"], note, choices or described["description"]))
    screen.table(("parameter", "type", "default", "what"), rows)


def _price(price: dict[str, Any]) -> str:
    if price.get("text"):
        return str(price["text"])
    base = f"{price['base']} + " if price["base"] else ""
    per = f" / {price['per']} {price['unit']}" if price["per"] else ""
    return "see --quote" if price["credits"] is None else f"{base}{price['credits']}{per}"


def _note(feature: dict[str, Any]) -> str:
    if not feature["available"]:
        return "not now"
    return "draft" if feature["is_draft"] else ""
