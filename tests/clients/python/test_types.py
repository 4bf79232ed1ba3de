"""What mypy says of programs that use the Python client."""

from pathlib import Path

from mypy import api

PROGRAM = """
from typing import assert_type

from auteur_client import Auteur, FeatureName
from auteur_client.api.job_kinds import Job
from auteur_client.api.models import LipSyncJob, TtsJob


def right(auteur: Auteur, name: FeatureName) -> None:
    assert_type(auteur.run("tts", text="Good morning"), TtsJob)
    assert_type(auteur.run("lip-sync", on_progress=print), LipSyncJob)
    assert_type(auteur.run("lip_sync", on_progress=print), LipSyncJob)
    assert_type(auteur.run(name), Job)
    assert_type(auteur.estimate("lip_sync").credits, int)


def wrong(auteur: Auteur) -> None:
    auteur.run("lip-sink")  # type: ignore[call-overload]
    auteur.submit("lip-sink")  # type: ignore[arg-type]
    auteur.estimate("lip-sink")  # type: ignore[arg-type]
"""


def test_features_are_known_by_name_and_jobs_by_their_feature(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    options = ["--config-file=", f"--cache-dir={tmp_path}", "--warn-unused-ignores"]
    out, problems, status = api.run([*options, str(program)])
    assert status == 0, out + problems
