import io
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from auteur_client import Auteur
from rich.console import Console

from auteur.devstack import demo, demo_features, management, tour, visitor
from auteur.devstack.errors import StackError
from auteur.devstack.processes import BASE_DIR
from auteur.devstack.screen import Screen, format_time


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def screen(output: io.StringIO) -> Screen:
    return Screen(Console(file=output))


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "00:00.0"), (99, "00:00.0"), (59_999, "00:59.9"), (60_000, "01:00.0"), (3.6e6, "60:00.0")],
)
def test_times(milliseconds: float, text: str) -> None:
    assert format_time(int(milliseconds)) == text


def test_what_is_wrong_is_remembered(screen: Screen, output: io.StringIO) -> None:
    screen.check(True, "fine")
    screen.check(False, "wrong [bold]")
    assert screen.failed == ["wrong [bold]"]
    assert output.getvalue() == "  ✓ fine\n  ✗ wrong [bold]\n"


def test_progress_outside_a_terminal_is_a_few_plain_lines(
    screen: Screen, output: io.StringIO
) -> None:
    with screen.progress("work") as show:
        for hundredth in range(101):
            show({"status": "processing", "progress": hundredth / 100})
        show({"status": "completed", "progress": 1.0})
    lines = output.getvalue().splitlines()
    assert lines[0] == "  work   0% processing"
    assert lines[-1] == "  work 100% completed"
    assert len(lines) < 9


def test_progress_tells_what_a_job_waits_for_and_that_it_starts_over(
    screen: Screen, output: io.StringIO
) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=40)).isoformat()
    lost = "The machine doing the work was lost. This is attempt 2."
    with screen.progress("work") as show:
        show({"status": "queued", "progress": 0.0, "queue_position": 2})
        show({"status": "processing", "progress": 0.6, "estimated_end_at": soon})
        show({"status": "queued", "progress": 0.0, "queue_position": 1, "restarted": lost})
    queued, processing, again = output.getvalue().splitlines()
    assert queued == "  work   0% queued, place 2"
    assert re.fullmatch(r"  work  60% processing, about (39|40) s left", processing)
    assert again == f"  work   0% queued, place 1, {lost}"


def test_an_edited_segment_shows_its_edited_text(screen: Screen, output: io.StringIO) -> None:
    segment = {
        "start_ms": 0,
        "end_ms": 900,
        "speaker": "A",
        "text": "wrong",
        "edited_text": "right",
    }
    screen.transcript([segment])
    assert "right" in output.getvalue()
    assert "wrong" not in output.getvalue()


def test_words() -> None:
    assert demo.split_words("Don't stop, 2nd TAKE!") == ["don't", "stop", "nd", "take"]


def test_a_file_must_be_there_and_hold_something(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "one.mp4").write_bytes(b"x")
    assert demo.check_file(tmp_path / "one.mp4")
    for name, why in (
        ("none.mp4", "is not a file"),
        ("", "is not a file"),
        ("empty.mp4", "is empty"),
    ):
        with pytest.raises(StackError, match=why):
            demo.check_file(tmp_path / name)


def run_demo(var: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "auteur.devstack", "demo", "--var", str(var), *options],
        cwd=BASE_DIR,
        env={"PATH": "", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


SAMPLE = str(demo.RECORDING)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--feature", "phrenology"), "There is no feature phrenology. Use audio-generation, "),
        (("--file", SAMPLE, "--file", SAMPLE), "The main job takes one file"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_starts(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    done = run_demo(tmp_path / "var", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "var").exists()


def test_features_and_files_that_fit_are_known_and_others_refused() -> None:
    known = demo_features.list_features()
    assert demo_features.select_features(known, "tts", []) == [known["tts"]]
    assert demo_features.select_features(known, "lip-sync", [Path("a"), Path("b")]) == [
        known["lip-sync"]
    ]
    assert demo_features.select_features(known, demo_features.ALL, []) == list(known.values())
    assert demo_features.count_file_parameters(known["render"]) == len(
        known["render"]["example"]["project_id"]
    )
    for expected, files, why in (
        (demo_features.ALL, 1, "Your own files need one feature"),
        ("tts", 1, "Too many files for tts: it takes none, not 1."),
        ("video-query", 2, r"it takes 1, not 2\. These features take files: compression \(1\), "),
    ):
        with pytest.raises(StackError, match=why):
            demo_features.select_features(known, expected, [Path(SAMPLE)] * files)


def test_an_answer_shows_its_evidence(screen: Screen, output: io.StringIO) -> None:
    screen.evidence([{"start_ms": 0, "end_ms": 61_500, "kind": "cut", "detail": "A new [shot]."}])
    [line] = [line for line in output.getvalue().splitlines() if "shot" in line]
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "00:00.0 – 01:01.5",
        "cut",
        "A new [shot].",
    ]


def test_a_job_says_why_it_ended() -> None:
    failed = {"status": "failed", "error": {"code": "INPUT_INVALID", "message": "No sound."}}
    assert visitor.describe_error(failed) == "INPUT_INVALID: No sound."
    assert visitor.describe_outcome(failed) == "the job is failed: INPUT_INVALID: No sound."
    assert (
        visitor.describe_outcome({"status": "completed", "error": None}) == "the job is completed"
    )


def test_a_stack_that_cannot_start_says_so_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = run_demo(tmp_path / "var", API_PORT=str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Port {port} is taken by another program")
    assert done.stderr.count("\n") == 1


def test_a_slow_command_is_an_error_of_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "COMMAND_SECONDS", 0.01)
    with pytest.raises(StackError, match="grant_credits did not end within"):
        management.manage({}, "grant_credits")


def test_a_failed_step_is_a_row_of_the_table(
    screen: Screen, output: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auteur_client.http.FIRST_PAUSE_SECONDS", 0.01)
    nobody = cast("Any", SimpleNamespace(client=Auteur("http://127.0.0.1:9", "token")))
    features: list[dict[str, Any]] = [
        {"slug": slug, "summary": slug, "plan": None, "example": {}, "engine": "draft"}
        for slug in ("tts", "lip-sync")
    ]
    tour.Tour(nobody, screen, tmp_path).show(features, [])
    assert len(screen.failed) == 2
    assert output.getvalue().count("failed: ") == 2
    assert "docs/real-models.md" in output.getvalue()


def test_estimates_of_the_end_wait_for_some_progress(screen: Screen, output: io.StringIO) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=40)).isoformat()
    with screen.progress("work") as show:
        show({"status": "processing", "progress": 0.1, "estimated_end_at": soon})
    assert "left" not in output.getvalue()


def test_names_of_results_are_words_of_a_shell() -> None:
    assert tour.build_file_name("portrait, gaze.mp4") == "portrait-gaze.mp4"
    assert tour.build_file_name("../a b.wav") == "a-b.wav"
