"""`manage.py edl_verify` and the running audit find what PostgreSQL and MongoDB disagree about."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from pymongo.collection import Collection

from accounts.models import User
from auteur import metrics
from jobs.audit import timeline_audit
from jobs.models import KeptFigures
from projects import authoring, edl, verification
from projects.models import Project
from projects.verification import Report

pytestmark = pytest.mark.django_db

Json = dict[str, Any]
Edls = Collection[Json]


@pytest.fixture(autouse=True)
def only_ours(edls: Edls) -> None:
    """Documents of other tests have no rows here."""
    edls.delete_many({})


@pytest.fixture
def projects(user: User) -> list[Project]:
    """Seven projects with timelines."""
    return [authoring.create_project(user_id=user.pk, fields={"name": f"{n}"}) for n in range(7)]


def aged(edls: Edls, project_id: object) -> None:
    created_at = edl.now() - 2 * verification.MIN_DOCUMENT_AGE
    edls.update_one({"project_id": str(project_id)}, {"$set": {"created_at": created_at}})


def lose(project: Project, edls: Edls) -> None:
    edls.delete_one({"project_id": str(project.pk)})


def go_back(project: Project, edls: Edls) -> None:
    edl.note_version(project.pk, 5)


def belong_to_another(project: Project, edls: Edls) -> None:
    edls.update_one({"project_id": str(project.pk)}, {"$set": {"user_id": str(uuid.uuid4())}})


def lose_its_row(project: Project, edls: Edls) -> None:
    aged(edls, project.pk)
    Project.objects.filter(pk=project.pk).delete()


BREAKS: list[tuple[str, Callable[[Project, Edls], None]]] = [
    ("timeline_missing", lose),
    ("version_went_back", go_back),
    ("timeline_of_another_user", belong_to_another),
    ("timeline_without_project", lose_its_row),
]


@pytest.mark.parametrize("size", [1, 3, 500])
@pytest.mark.parametrize(("rule", "break_it"), BREAKS)
def test_each_disagreement_is_found_once(
    projects: list[Project],
    edls: Edls,
    rule: str,
    break_it: Callable[[Project, Edls], None],
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verification, "DOCUMENTS_PER_READ", size)
    pages = verification.check_page
    monkeypatch.setattr(
        verification, "check_page", lambda after, report: pages(after, report, size=size)
    )
    assert verification.verify_timelines().total == 0
    broken = projects[3]
    break_it(broken, edls)

    report = verification.verify_timelines()

    assert [(finding.rule, finding.project_id) for finding in report.findings] == [
        (rule, str(broken.pk))
    ]
    assert report.total == report.broken[rule] == 1
    assert report.documents == 7 - (rule == "timeline_missing")


def test_what_comes_and_goes_is_no_finding(projects: list[Project], edls: Edls, user: User) -> None:
    deleted, blank, young, *_ = projects
    Project.objects.filter(pk=deleted.pk).update(deleted_at=Now())
    lose(deleted, edls)
    Project.objects.filter(pk=blank.pk).update(edl_id=None, edl_version=None)
    lose(blank, edls)
    Project.objects.filter(pk=young.pk).delete()

    assert verification.verify_timelines().findings == []


def test_versions_that_are_seen_are_noted(projects: list[Project], edls: Edls) -> None:
    """So rows from before are known from then on."""
    Project.objects.update(edl_id=None, edl_version=None)
    edls.update_one({"project_id": str(projects[0].pk)}, {"$set": {"version": 9}})

    verification.verify_timelines()

    assert all(project.had_timeline for project in Project.objects.all())
    assert Project.objects.get(pk=projects[0].pk).edl_version == 9


def test_findings_beyond_the_limit_are_counted(projects: list[Project], edls: Edls) -> None:
    edls.delete_many({})

    report = verification.verify_timelines(limit=2)

    assert (report.total, len(report.findings)) == (7, 2)


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("edl_verify", *arguments, stdout=out)
    except SystemExit as exc:
        return int(str(exc.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_command_prints_and_fails(projects: list[Project], edls: Edls) -> None:
    code, text = run("--json")
    report = json.loads(text)
    assert (code, report["ok"], report["projects"], report["documents"]) == (0, True, 7, 7)
    lose(projects[0], edls)

    code, text = run()

    assert code == 1
    assert f"timeline_missing: project {projects[0].pk}" in text
    assert "OFF: timeline_missing 1" in text


def test_timelines_that_went_back_are_accepted_beyond_what_was_seen(
    projects: list[Project], edls: Edls
) -> None:
    go_back(projects[0], edls)
    assert run()[0] == 1

    code, text = run("--advance")

    assert (code, "Raised the versions of 1 timelines" in text) == (0, True)
    key = {"project_id": projects[0].pk, "user_id": projects[0].user_id}
    assert edl.get_version(**key) == 6
    assert run("--advance")[1].startswith("Raised the versions of 0 timelines")


def test_timelines_without_a_project_are_removed_on_demand(
    projects: list[Project], edls: Edls
) -> None:
    lose_its_row(projects[0], edls)
    assert run()[0] == 1
    assert edls.count_documents({}) == 7

    code, text = run("--remove-without-project")

    assert (code, "Deleted 1 timelines without a project." in text) == (0, True)
    assert edls.count_documents({}) == 6


def discrepancies() -> dict[str, float]:
    """Return what `/metrics` says, by rule."""
    return {
        sample.labels["rule"]: sample.value
        for family in metrics.Gauges().collect()
        if family.name == "auteur_timeline_discrepancies"
        for sample in family.samples
    }


class TestRunningAudit:
    def audit(self) -> int:
        KeptFigures.objects.update(next_at=Now())
        return timeline_audit.audit_timelines()

    def test_it_finds_what_is_off_and_when_it_is_mended(
        self, projects: list[Project], edls: Edls, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert timeline_audit.read_status() is None
        assert self.audit() == 1
        document = edls.find_one({"project_id": str(projects[0].pk)})
        assert document is not None
        lose(projects[0], edls)
        assert self.audit() == 1
        assert self.audit() == 1  # known by then, and counted once
        assert discrepancies()["timeline_missing"] == 1
        assert discrepancies()["version_went_back"] == 0
        assert "1 timelines are off: run edl_verify" in caplog.text

        edls.insert_one(document)
        assert self.audit() == 1
        assert discrepancies()["timeline_missing"] == 0

    def test_rounds_go_through_all(
        self, projects: list[Project], edls: Edls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(timeline_audit, "MIN_PROJECTS", 1)
        monkeypatch.setattr(verification, "PROJECTS_PER_PAGE", 2)
        page = verification.check_page
        monkeypatch.setattr(
            verification, "check_page", lambda after, report: page(after, report, size=2)
        )
        lose(projects[-1], edls)
        results = []
        for _ in range(4):
            self.audit()
            standing = timeline_audit.read_status()
            assert standing is not None
            results.append(standing.broken["timeline_missing"])
        assert (results[0], results[-1]) == (0, 1)

    @pytest.mark.usefixtures("edl_store_away", "projects")
    def test_it_waits_for_mongodb(self, caplog: pytest.LogCaptureFixture) -> None:
        assert self.audit() == 0
        assert "timelines cannot be audited" in caplog.text
        assert timeline_audit.read_status() is None


def test_a_report_names_no_more_than_it_is_told() -> None:
    report = Report(limit=0)
    report.add(verification.Finding("timeline_missing", "1", "version 1", "none"))
    assert (report.total, report.findings) == (1, [])


def test_a_document_of_a_younger_row_is_no_finding(edls: Edls, user: User) -> None:
    """It was committed between the two reads."""
    project = authoring.create_project(user_id=user.pk, fields={"name": "Late"})
    aged(edls, project.pk)
    document = edls.find_one({"project_id": str(project.pk)})
    assert document is not None

    assert list(verification._find_orphans(set(), {str(project.pk): document})) == []
    assert timedelta(0) < verification.MIN_DOCUMENT_AGE
