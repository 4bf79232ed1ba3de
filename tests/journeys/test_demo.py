"""`make demo` against the stack that runs: it is used and left running."""

import subprocess
import sys
from pathlib import Path

from auteur.devstack import demo
from auteur.devstack.processes import BASE_DIR
from tests.journeys.stack import JourneyStack

BROKEN = str(demo.UNDECODABLE)


def run_demo(stack: JourneyStack, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "auteur.devstack", "demo", "--var", str(stack.var), *options],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_demo_shows_a_transcript_a_failure_and_the_refund(stack: JourneyStack) -> None:
    supervisor = stack.process("api").ppid()
    done = run_demo(stack)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Using the running stack" in done.stdout
    assert "Speaker 2" in done.stdout
    assert "EDL version 1 → 2" in done.stdout
    assert "the error is clear: INPUT_INVALID" in done.stdout
    assert "the history shows usage and refund" in done.stdout
    assert "✗" not in done.stdout
    assert stack.process("api").ppid() == supervisor


def test_a_file_that_is_no_media_is_refused_clearly(stack: JourneyStack, tmp_path: Path) -> None:
    file = tmp_path / "letter.mp4"
    file.write_text("Dear all,")
    done = run_demo(stack, "--file", str(file))
    assert done.returncode == 1
    assert "✗ The API refused the request: 409 upload_rejected: The file is not a " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_feature_is_shown_by_name(stack: JourneyStack) -> None:
    done = run_demo(stack, "--feature", "audio-generation")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ the job is completed" in done.stdout
    assert "draft procedural ambience" in " ".join(done.stdout.split())
    [created] = (stack.var / "demo" / "audio-generation").iterdir()
    assert created.read_bytes().startswith(b"RIFF")


def test_a_feature_that_fails_shows_why_and_costs_nothing(stack: JourneyStack) -> None:
    done = run_demo(stack, "--feature", "transcription", "--file", BROKEN)
    assert done.returncode == 1
    [row] = [line for line in done.stdout.splitlines() if line.startswith("│ transcription")]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[3] == "0"
    assert cells[4].startswith("INPUT_INVALID: ")


def test_a_feature_whose_file_is_refused_is_a_row_with_the_reason(
    stack: JourneyStack, tmp_path: Path
) -> None:
    file = tmp_path / "letter.mp4"
    file.write_text("Dear all,")
    done = run_demo(stack, "--feature", "transcription", "--file", str(file))
    assert done.returncode == 1
    assert "✗ The API refused the request: 409 upload_rejected: The file is not a " in done.stdout
    [row] = [line for line in done.stdout.splitlines() if line.startswith("│ transcription")]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[3] == "0"
    assert cells[4].startswith("failed: The API refused the request: 409")
