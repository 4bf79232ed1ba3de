"""What a benchmark tells beside its figures: what they were when they were written down."""

import json
from pathlib import Path

import pytest

from auteur.devstack.processes import BASE_DIR
from benchmarks import peers, report
from benchmarks.__main__ import names


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty book of figures."""
    path = tmp_path / "benchmarks.json"
    monkeypatch.setattr(report, "RECORDS", path)
    monkeypatch.delenv(report.RECORD, raising=False)
    return path


def show(ours: float, **baselines: float) -> None:
    report.show(
        benchmark="walk",
        title="Steps",
        columns=("what", "steps/s"),
        rows=[("ours", ours)],
        ours=ours,
        baselines=baselines,
    )


def test_nothing_is_written_unless_it_is_asked_for(records, capsys) -> None:
    show(50.0, bare=100.0)
    assert not records.exists()
    said = capsys.readouterr().out.splitlines()
    assert json.loads(said[-1])["ratios"] == {"bare": 0.5}
    assert not any("change" in line for line in said)


def test_the_next_run_tells_what_it_was_and_the_change(records, capsys, monkeypatch) -> None:
    monkeypatch.setenv(report.RECORD, "1")
    show(50.0, bare=100.0)
    kept = json.loads(records.read_text())["walk"]
    assert set(kept) == {"commit", "date", "machine", "line"}
    monkeypatch.delenv(report.RECORD)
    capsys.readouterr()
    show(75.0, bare=100.0, other=150.0)
    said = capsys.readouterr().out
    assert f"at {kept['commit']}, {kept['date']}" in said
    (row,) = (line for line in said.splitlines() if "bare" in line and "{" not in line)
    assert all(part in row for part in ("0.75", "0.50", "+50%"))
    assert json.loads(said.splitlines()[-1])["ratio"] == 0.75
    assert json.loads(records.read_text())["walk"] == kept


def test_one_benchmark_leaves_the_others_as_they_were(records) -> None:
    report.write_record({"benchmark": "run", "ratios": {}})
    report.write_record({"benchmark": "walk", "ratios": {}})
    assert set(report.read_records()) == {"run", "walk"}


@pytest.mark.parametrize(
    ("then", "now", "said"), [(1.0, 0.8, "-20%"), (0.5, 0.5, "+0%"), (0.0, 1.0, "")]
)
def test_a_change_is_told_in_per_cent(then: float, now: float, said: str) -> None:
    assert report.format_change(then, now) == said


def test_what_is_written_down_is_of_benchmarks_that_there_are() -> None:
    kept = report.read_records()
    assert set(kept) <= set(names())
    assert all(each["line"]["benchmark"] == name for name, each in kept.items())


def test_peers_have_a_module_each_and_none_is_part_of_the_product() -> None:
    locked = {
        line.partition("==")[0]
        for name in ("prod", "demo", "dev")
        for line in (BASE_DIR / f"requirements/{name}.txt").read_text().splitlines()
    }
    assert not locked & {"dramatiq", "huey", "rq", "taskiq", "procrastinate"}
    folder = BASE_DIR / "benchmarks" / "contenders"
    found = {path.stem for path in folder.glob("*.py")} - {"__init__", "drive"}
    assert found == {contender.module for contender in peers.CONTENDERS}
