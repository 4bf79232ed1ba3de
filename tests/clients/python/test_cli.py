"""Test the command `auteur` in a shell, against the running stack."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from auteur_client import Auteur, UnreachableError
from auteur_client.cli import app, exits, files, screen

from auteur.devstack.demo import UNDECODABLE
from auteur.devstack.processes import BASE_DIR
from tests.journeys.recordings import INTERVIEW
from tests.journeys.stack import JourneyStack
from tests.waiting import until

AUTEUR = str(Path(sys.executable).with_name("auteur"))
SECONDS = 60
SHELLS = ("bash", "zsh", "fish")

Json = dict[str, Any]


def listen() -> None:
    """Restore Ctrl-C, which is ignored in the background jobs of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Shell:
    """A folder with a recording, and a configuration of its own."""

    def __init__(self, folder: Path, film: Path, **signed_in: str) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.config = folder / "config"
        (self.folder / "talk.mp4").symlink_to(film)
        other_items = {
            name: os.environ[name] for name in os.environ if not name.startswith("AUTEUR_")
        }
        self.env = other_items | {"AUTEUR_CONFIG_DIR": str(self.config), "TERM": "dumb"} | signed_in

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [AUTEUR, *arguments],
            cwd=self.folder,
            env=self.env | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=listen,  # noqa: PLW1509  # it sets a signal and no more
        )

    def run(self, *arguments: str, code: int = 0, stdin: str = "", **env: str) -> str:
        """Run the command and return its output; assert its exit code."""
        with self.start(*arguments, **env) as process:
            out, self.messages = process.communicate(stdin, SECONDS)
        assert process.returncode == code, (process.returncode, out, self.messages)
        return out

    def json(self, *arguments: str, code: int = 0, **env: str) -> Any:
        """Run the command with --json and return its result."""
        return json.loads(self.run(*arguments, "--json", code=code, **env))

    def has_stored(self, name: str) -> bool:
        """Return True if an unfinished command has stored this id."""
        notes = list(self.config.glob("unfinished/*.json"))
        return any(name in json.loads(note.read_text()) for note in notes)


@pytest.fixture
def shell(stack: JourneyStack, live_url: str, token: str, talk: Path, tmp_path: Path) -> Shell:
    env = {"AUTEUR_URL": stack.api_url, "AUTEUR_TOKEN": token, "AUTEUR_LIVE_URL": live_url}
    return Shell(tmp_path, talk, **env)


def test_a_token_is_kept_for_its_owner_alone_and_never_shown(
    stack: JourneyStack, token: str, talk: Path, tmp_path: Path
) -> None:
    shell = Shell(tmp_path, talk)
    shell.run("credits", code=exits.NOT_SIGNED_IN)
    assert shell.json("credits", code=exits.NOT_SIGNED_IN)["error"]["code"] == "not_signed_in"
    wrong = shell.run("login", stack.api_url, stdin="no-token-of-ours\n", code=exits.NOT_SIGNED_IN)
    assert not shell.config.exists()
    output = wrong + shell.messages
    output += shell.run("login", stack.api_url, stdin=f"{token}\n") + shell.messages
    assert {path.stat().st_mode & 0o777 for path in shell.config.iterdir()} == {0o600}
    assert shell.config.stat().st_mode & 0o777 == 0o700
    assert token not in output
    assert "no-token-of-ours" not in output

    account = shell.json("credits", "--history", "1")
    assert (account["balance"], account["key"], len(account["transactions"])) == (10, None, 1)
    assert shell.run("credits").startswith("10 credits")
    elsewhere = {"AUTEUR_URL": "http://127.0.0.1:9"}  # the token goes nowhere else
    shell.run("credits", code=exits.NOT_SIGNED_IN, **elsewhere)
    shell.run("logout")
    shell.run("credits", code=exits.NOT_SIGNED_IN)
    assert token not in "".join(path.read_text() for path in shell.config.rglob("*.json"))


def test_an_api_key_is_as_good_and_says_what_it_may_spend(
    shell: Shell, auteur: Auteur, tmp_path: Path
) -> None:
    key = json.loads(shell.run("mcp", "key", "--credits", "1", "--name", "Agent Smith"))
    env = key["mcpServers"]["auteur"]["env"]
    assert env["AUTEUR_TOKEN"] != shell.env["AUTEUR_TOKEN"]
    assert shell.json("credits", **env)["key"]["available"] == 1
    project = shell.json("projects", "new", "Mine", **env)["id"]
    assert [row["id"] for row in shell.json("projects", **env)] == [project]
    assert "Mine" in shell.run("projects", "--search", "min")


def test_a_key_for_an_agent_names_its_folder(shell: Shell) -> None:
    (shell.folder / "films").mkdir()
    settings = shell.json("mcp", "key", "--folder", "films")["mcpServers"]["auteur"]
    assert settings["args"] == ["mcp", "--folder", str(shell.folder / "films")]
    assert settings["command"] == AUTEUR
    (key,) = shell.json("keys")
    assert settings["env"]["AUTEUR_TOKEN"].startswith(key["prefix"])
    shell.run("mcp", "key", "--folder", "missing", code=2)


def test_one_command_makes_captions(shell: Shell) -> None:
    result = shell.json("transcribe", "talk.mp4", "--srt")
    assert set(result) == {"project_id", "media_id", "files", "job"}
    assert result["files"] == ["talk.srt"]
    assert result["job"]["status"] == "completed"
    assert "transcription" in shell.messages
    captions = shell.folder / "talk.srt"
    assert "version of the film" in captions.read_text()
    balance = shell.json("credits")["balance"]
    shell.run("transcribe", "talk.mp4", "--srt", code=2)  # it would write over it
    assert shell.json("credits")["balance"] == balance
    assert list(shell.config.glob("unfinished/*")) == []


def test_one_command_makes_a_captioned_film(shell: Shell, auteur: Auteur, short_film: Path) -> None:
    command = ("caption", str(short_film), "-o", "film.mp4")
    with shell.start(*command) as first:
        until(lambda: shell.has_stored("render_id"), SECONDS)
        first.kill()
    result = shell.json(*command, "--resume")
    assert result["files"] == ["film.mp4"]
    assert (shell.folder / "film.mp4").read_bytes()[4:8] == b"ftyp"
    assert result["job"]["input_params"]["captions"] == "burned"
    assert len(list(auteur.iterate("jobs"))) == 2
    (track,) = auteur.edl(result["project_id"]).tracks
    assert [str(clip.media_file_id) for clip in track.clips] == [result["media_id"]]


def test_what_was_killed_goes_on_and_is_paid_once(shell: Shell, auteur: Auteur) -> None:
    command = ("transcribe", "talk.mp4", "--srt")
    (shell.folder / "talk.mp4").unlink()
    (shell.folder / "talk.mp4").symlink_to(INTERVIEW)  # which takes a while
    with shell.start(*command) as first:
        until(lambda: shell.has_stored("media_id"), SECONDS)
        first.kill()
    with shell.start(*command, "--resume") as second:
        until(lambda: shell.has_stored("transcription_id"), SECONDS)
        second.send_signal(signal.SIGINT)
        _, messages = second.communicate(timeout=SECONDS)
    assert second.returncode == exits.INTERRUPTED, messages
    assert "auteur transcribe talk.mp4 --srt --resume" in messages
    result = shell.json(*command, "--resume")
    assert auteur.balance() == 10 - result["job"]["credits_cost"]
    assert [str(job.id) for job in auteur.iterate("jobs")] == [result["job"]["id"]]
    assert [str(media.id) for media in auteur.iterate("media")] == [result["media_id"]]
    assert [str(project.id) for project in auteur.iterate("projects")] == [result["project_id"]]


def test_from_a_cut_to_a_film(shell: Shell, short_film: Path) -> None:
    media = shell.json("upload", str(short_film))
    project = media["project_id"]
    clip = {"op": "add_clip", "track_id": "v", "media_file_id": media["id"]}
    clip |= {"start_ms": 0, "in_point_ms": 0, "out_point_ms": 1000}
    operations = [{"op": "add_track", "track_id": "v", "type": "video", "name": "Film"}, clip]
    (shell.folder / "cut.json").write_text(json.dumps(operations))
    edited = shell.json("edl", "apply", project, "cut.json", "--version", "1")
    assert (edited["version"], edited["duration_ms"]) == (2, 1000)
    stale = shell.json("edl", "apply", project, "cut.json", "--version", "1", code=exits.STALE_EDIT)
    assert (stale["error"]["code"], stale["error"]["version"]) == ("stale_edl", 2)
    assert shell.json("edl", "undo", project)["operations"] == ["add_track", "add_clip"]
    assert shell.run("edl", "redo", project).startswith("version 4, 0:01.000, by ")
    assert "0:01.000" in shell.run("edl", "show", project)
    assert "add_track, add_clip" in shell.run("edl", "history", project)
    assert "OTIO_SCHEMA" in shell.run("edl", "export", project, "otio")

    price = shell.json("render", project, "--proxy", "--quote")["credits"]
    job = shell.json("render", project, "--proxy", "-o", "film.mp4")
    assert (job["status"], job["credits_cost"], job["files"]) == ("completed", price, ["film.mp4"])
    film = (shell.folder / "film.mp4").read_bytes()
    assert film[4:8] == b"ftyp"
    shell.run("render", project, "-o", "film.mp4", code=2)  # it would write over it
    media_id = shell.run("watch", job["id"]).split()[-1]
    shell.run("download", media_id, "-o", "again.mp4")
    assert (shell.folder / "again.mp4").read_bytes() == film

    with shell.start("watch", "--after", "0", "--json") as watching:
        events = [json.loads(watching.stdout.readline()) for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        _, messages = watching.communicate(timeout=SECONDS)
    assert [event["type"] for event in events] == ["job.requested", "job.started", "job.completed"]
    assert watching.returncode == exits.INTERRUPTED, messages
    assert f"auteur watch --after {events[-1]['seq']}" in messages


def test_features_are_listed_and_asked_for_by_name(shell: Shell) -> None:
    assert {"tts", "transcription"} <= {feature["type"] for feature in shell.json("run")}
    assert "transcription" in shell.run("run")
    command = ("run", "tts", "text=Good morning", "--name", "greeting")
    job = shell.json(*command, "-o", "hello.wav")
    assert (shell.folder / "hello.wav").stat().st_size > 1000
    assert shell.json(*command)["id"] == job["id"]
    shell.run("run", "dreaming", code=2)
    assert "transcription" in shell.messages
    shell.run("run", "tts", "text", code=2)
    refused = shell.json("run", "tts", "text=", code=exits.FAILED)["error"]
    assert refused["errors"][0]["field"] == "text"


def test_features_and_parameters_are_shown_without_a_token(
    stack: JourneyStack, talk: Path, tmp_path: Path
) -> None:
    shell = Shell(tmp_path, talk, AUTEUR_URL=stack.api_url)
    assert "tts" in shell.run("run")
    assert "voice_id" in shell.json("run", "tts", "--help")["parameters"]
    shell.run("run", "tts", "text=Good morning", code=exits.NOT_SIGNED_IN)
    shell.run("run", "tts", "--help", code=exits.NOT_SIGNED_IN, AUTEUR_URL="")
    assert shell.messages.endswith("Run `auteur login`, or set AUTEUR_URL.\n")


def test_a_waiting_job_is_cancelled_and_a_failed_one_submitted_again(
    shell: Shell, auteur: Auteur, project_id: str
) -> None:
    media = auteur.upload(INTERVIEW, project_id)
    jobs = [auteur.submit("transcription", media_id=media.id) for _ in range(3)]
    waiting = str(jobs[-1].job_id)
    cancelled = shell.json("cancel", waiting)
    assert (cancelled["id"], cancelled["status"]) == (waiting, "cancelled")
    assert cancelled["credits_refunded"]
    assert "job_finished" in shell.json("cancel", waiting, code=exits.FAILED)["error"]["code"]

    broken = auteur.upload(UNDECODABLE, project_id)
    failed = auteur.wait(auteur.submit("transcription", media_id=broken.id).job_id)
    retried = shell.json("retry", str(failed.id))
    assert auteur.job(retried["job_id"]).retry_of == failed.id
    assert re.match(r"Job [0-9a-f-]{36}, 1 credits", shell.run("retry", str(failed.id)))


def test_why_there_is_no_result(
    shell: Shell, new_token: Callable[[int], str], tmp_path: Path
) -> None:
    (shell.folder / "film.mp4").write_bytes(b"no film" * 100)
    rejected = shell.json("upload", "film.mp4", code=exits.FAILED)["error"]
    assert rejected["code"] == "upload_rejected"
    (shell.folder / "notes.txt").write_text("no film")
    shell.run("upload", "notes.txt", code=exits.FAILED)
    assert shell.json("projects") == []  # none is created for a file that is refused
    shell.run("upload", "missing.mp4", code=2)
    poor = {"AUTEUR_TOKEN": new_token(0)}
    refused = shell.json("transcribe", "talk.mp4", "--txt", code=exits.NO_CREDITS, **poor)["error"]
    assert (refused["code"], refused["balance"]) == ("insufficient_credits", 0)
    assert not (shell.folder / "talk.txt").exists()
    assert exits.get_exit_code(UnreachableError("away")) == exits.UNREACHABLE


def test_completion_is_printed_for_each_shell(shell: Shell) -> None:
    for name in SHELLS:
        assert "_AUTEUR_COMPLETE" in shell.run(_AUTEUR_COMPLETE=f"source_{name}")
    words = {"COMP_WORDS": "auteur run t", "COMP_CWORD": "2"}
    slugs = shell.run(_AUTEUR_COMPLETE="complete_bash", **words).split()
    assert slugs == ["transcription", "tts"]


def test_each_command_has_an_example() -> None:
    import typer

    def commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            yield f"{path} {name}", command
            if hasattr(command, "commands"):
                yield from commands(command, f"{path} {name}")

    by_path = dict(commands(typer.main.get_command(app.app), "auteur"))
    del by_path["auteur edl"]  # it only has subcommands
    assert len(by_path) > 15
    for path, command in by_path.items():
        assert f"Example: {path}" in command.epilog
        assert command.help


def test_names_of_others_command_neither_terminal_nor_folder() -> None:
    assert screen.escape_text("a\x1b[31mb\x9b2J\u202ec\td") == "a[31mb2Jc\td"
    assert screen.escape_text("[red]x") == r"\[red]x"
    assert files.build_file_name("../../etc/pass\nwd") == Path("etcpasswd")
    assert files.build_file_name("-rf") == Path("rf")
    assert files.build_file_name("..") == Path("download")


def test_the_docs_name_every_exit_and_command() -> None:
    import typer

    page = (BASE_DIR / "docs" / "command-line.md").read_text()
    codes = {value for value in vars(exits).values() if isinstance(value, int)}
    codes = codes - {exits.SERVER_ERROR} | {0, 2}  # done; Typer's, of usage
    assert {int(code) for code in re.findall(r"(?m)^\| (\d+) \|", page)} == codes
    for name in typer.main.get_command(app.app).commands:
        assert re.search(rf"(?m)^\| .*`{name}\b", page), name


def test_without_arguments_help_is_printed() -> None:
    from typer.testing import CliRunner

    result = CliRunner().invoke(app.app, [])
    assert result.exit_code == 0
    assert "transcribe" in result.output
    result = CliRunner().invoke(app.app, ["run", "--help"])
    assert result.exit_code == 0
    assert "NAME=VALUE" in result.output


def test_an_error_of_a_field_is_printed_once() -> None:
    from auteur_client import ProblemError

    errors = [{"field": "text", "detail": "This field is required."}]
    document = {"code": "invalid", "detail": "text: This field is required.", "errors": errors}
    assert str(ProblemError(400, document)) == "400 invalid: text: This field is required."


def test_jobs_are_listed_and_named_by_short_ids(shell: Shell) -> None:
    parameters = shell.run("run", "tts", "--help")
    assert "text" in parameters
    assert "required" in parameters
    shell.run("run", "tts", "txt=hi", code=2)
    assert "There is no parameter txt" in shell.messages
    job = shell.json("run", "tts", "text=Good morning")
    assert [row["id"] for row in shell.json("jobs")] == [job["id"]]
    assert shell.json("watch", job["id"][:30])["id"] == job["id"]
    assert len(shell.json("media")) == 1
    assert shell.json("keys") == []
    shell.run("cancel", "zzzz", code=2)
