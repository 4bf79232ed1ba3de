"""`make demo`: run features on recordings, through the REST API only.

Without a feature's name, run the main job, and one that fails.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from auteur_client import ProblemError, UnreachableError

from auteur.devstack import demo_features, environment, stack_state
from auteur.devstack.errors import StackError
from auteur.devstack.processes import BASE_DIR
from auteur.devstack.screen import Json, Screen
from auteur.devstack.tour import Tour
from auteur.devstack.visitor import Visitor, describe_outcome
from gpu_tasks.runtime.children import die_with_parent

CREDITS = 10
TOUR_CREDITS = 200
"""Granted at the start, so that no feature of a tour waits for a grant."""
SAMPLES = Path(__file__).parent / "samples"
SPOKEN = SAMPLES / "interview.txt"
MIN_MATCHING = 0.8  # The share of words; PocketSphinx recognizes more of our clear voices.
RECORDING = SAMPLES / "interview.mp4"
UNDECODABLE = SAMPLES / "broken.mp4"
READY_LINE = "The stack is ready."
STOP_SECONDS = 60.0
RATE_LIMIT = "1000/minute"
"""The rate limit of a stack started for the demo: one user submits a job of every feature in a
minute."""


def run_demo(var: Path, files: Sequence[Path], feature: str | None) -> int:
    """Run the demo, on our own files if none are given. Return 0 if every check passes."""
    user_files = [check_file(file) for file in files]
    features = (
        demo_features.select_features(demo_features.list_features(), feature, user_files)
        if feature
        else []
    )
    if not features and len(user_files) > 1:
        raise StackError("The main job takes one file. Name another feature with FEATURE=…")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    screen = Screen()
    started_at = time.monotonic()
    with connect_stack(var, screen) as values:
        try:
            visitor = create_visitor(values, screen, TOUR_CREDITS if len(features) > 1 else CREDITS)
            if features:
                Tour(visitor, screen, var / "demo").show(features, user_files)
            else:
                Demo(visitor, screen).play(
                    user_files[0] if user_files else RECORDING, is_own=bool(user_files)
                )
        except ProblemError as exc:
            screen.check(False, f"The API refused the request: {exc}")
        except UnreachableError as exc:
            raise StackError(f"The API does not answer: {exc}. See {var / 'log'}.") from exc
    seconds = time.monotonic() - started_at
    if screen.failed:
        screen.title(f"{len(screen.failed)} checks failed, see ✗ above.")
        return 1
    screen.title(f"All checks passed in {seconds:.0f} s.")
    return 0


def check_file(file: Path) -> Path:
    """Return the file. Raise ``StackError`` if it cannot be sent."""
    if not file.is_file():
        raise StackError(f"{file} is not a file.")
    if not os.access(file, os.R_OK):
        raise StackError(f"{file} cannot be read.")
    if not file.stat().st_size:
        raise StackError(f"{file} is empty.")
    return file


@contextlib.contextmanager
def connect_stack(var: Path, screen: Screen) -> Iterator[Mapping[str, str]]:
    """Yield the environment of the running stack, or start one and stop it afterwards."""
    if stack_state.is_locked(var):
        running = stack_state.read_state(var)
        if running is None or not running.ready:
            raise StackError("Another command is starting the stack. Try again shortly.")
        screen.title("Using the running stack")
        yield environment.read_environment(var / environment.FILE_NAME)
        return
    screen.title("Starting the stack")
    with subprocess.Popen(
        [sys.executable, "-m", "auteur.devstack", "run", "--var", str(var)],
        cwd=BASE_DIR,
        env={"RATE_LIMIT": RATE_LIMIT, **os.environ},
        text=True,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Only this process receives Ctrl-C.
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509  # one thread
    ) as stack:
        try:
            _follow_start(stack, screen)
            yield environment.read_environment(var / environment.FILE_NAME)
            screen.title("Stopping the stack")
        finally:
            _stop_stack(stack)


def _follow_start(stack: subprocess.Popen[str], screen: Screen) -> None:
    started_at = time.monotonic()
    assert stack.stdout is not None  # noqa: S101  # it is a pipe
    for line in stack.stdout:
        if line.startswith(READY_LINE):
            screen.line(f"everything is ready after {time.monotonic() - started_at:.0f} s")
            return
        if line.startswith("  "):
            screen.line(line.strip())
    raise SystemExit(1)  # The stack has printed the reason.


def _stop_stack(stack: subprocess.Popen[str]) -> None:
    """Stop the stack in order. A second Ctrl-C stops it at once."""
    for _ in range(2):
        stack.send_signal(signal.SIGINT)
        with contextlib.suppress(KeyboardInterrupt):
            stack.communicate(timeout=STOP_SECONDS)
            return


def split_words(text: str) -> list[str]:
    """Return the words of a text, without case and punctuation."""
    return re.findall(r"[a-z']+", text.lower())


def create_visitor(values: Mapping[str, str], screen: Screen, balance: int = CREDITS) -> Visitor:
    """Return a user with some credits."""
    screen.title("A user with credits")
    visitor = Visitor(values, screen)
    visitor.top_up(balance)
    return visitor


class Demo:
    """The main job of the demo, and one that fails."""

    def __init__(self, visitor: Visitor, screen: Screen) -> None:
        self._visitor = visitor
        self._client = visitor.client
        self._screen = screen

    def play(self, recording: Path, *, is_own: bool) -> None:
        """Show a transcription. With our own recording, also show one that fails."""
        self.transcribe(recording, is_own=is_own)
        if not is_own and not self._screen.failed:
            self.fail(UNDECODABLE)

    def transcribe(self, recording: Path, *, is_own: bool) -> None:
        """Show that a recording becomes a transcript, and that credits are taken."""
        screen, client = self._screen, self._client
        project_id = str(client.create_project("Demo").id)
        version = client.edl(project_id).version
        screen.title(f"Transcribing {recording.name}")
        job, balance = self._run_job(project_id, recording)
        if not self._check_completion(job):
            return
        edl = client.edl(project_id)
        segments = [segment.to_dict() for segment in edl.transcript.segments]
        self._show_transcript(job, segments)
        if not is_own:
            self._check_words(segments)
        screen.check(
            len(segments) == job["output_data"]["segments_count"],
            f"the EDL holds the job's {len(segments)} segments",
        )
        screen.check(edl.version > version, f"EDL version {version} → {edl.version}")
        self._check_credits(job, balance, balance - job["credits_cost"], ["usage"])

    def _show_transcript(self, job: Json, segments: list[Json]) -> None:
        if segments:
            self._screen.transcript(segments)
        else:
            self._screen.line("No speech was found in it.")
        engine = job["output_data"].get("engine")
        if engine:
            self._screen.line(f"engine: {engine['name']} {engine['model']}")
        features = self._client.request("GET", "/features")["features"]
        if any(f["is_draft"] for f in features if f["type"] == "transcription"):
            self._screen.line(
                "This is the draft engine: expect poor text of ordinary recordings. "
                "Real models: docs/real-models.md"
            )

    def _check_words(self, segments: list[Json]) -> None:
        """Check the transcript against the known words of our recording."""
        spoken = split_words(SPOKEN.read_text())
        recognized = split_words(" ".join(segment["text"] for segment in segments))
        matches = SequenceMatcher(None, spoken, recognized, autojunk=False).get_matching_blocks()
        matching = sum(match.size for match in matches)
        self._screen.check(
            matching >= MIN_MATCHING * len(spoken), f"{matching} of {len(spoken)} words as spoken"
        )

    def _check_completion(self, job: Json) -> bool:
        self._screen.check(job["status"] == "completed", describe_outcome(job))
        if job["credits_refunded"]:
            self._screen.line(f"its {job['credits_cost']} credits were refunded")
        return bool(job["status"] == "completed")

    def fail(self, file: Path) -> None:
        """Show that a file with a valid header that does not decode fails, and is refunded."""
        screen = self._screen
        screen.title(f"Transcribing {file.name}, which looks right and does not decode")
        project = self._client.create_project("Demo, broken")
        job, balance = self._run_job(str(project.id), file)
        error = job["error"] or {}
        screen.check(job["status"] == "failed", f"the job is {job['status']}")
        screen.check(
            bool(error.get("code") and error.get("message")),
            f"the error is clear: {error.get('code')}: {error.get('message')}",
        )
        screen.check(bool(job["credits_refunded"]), "the job says that it was refunded")
        self._check_credits(job, balance, balance, ["usage", "refund"])

    def _run_job(self, project_id: str, file: Path) -> tuple[Json, int]:
        """Run the job of a file. Return the ended job, and the balance before it."""
        media = self._visitor.upload(project_id, file)
        return self._visitor.run_job("transcription", {"media_id": media.id, "language": "en"})

    def _check_credits(self, job: Json, before: int, expected: int, types: list[str]) -> None:
        """Check the transactions of a job, and the balance that follows from them."""
        rows = self._visitor.transactions(job["id"])
        self._screen.transactions(rows)
        self._screen.check(
            [row["type"] for row in rows] == types, f"the history shows {' and '.join(types)}"
        )
        amounts = [row["amount"] for row in rows]
        self._screen.check(
            [abs(amount) for amount in amounts] == [job["credits_cost"]] * len(types)
            and self._visitor.balance() == before + sum(amounts) == expected,
            f"balance {' '.join([str(before), *(f'{a:+d}' for a in amounts)])} = {expected}",
        )
