"""Compare the projects of PostgreSQL with their timelines in MongoDB."""

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from projects import edl
from projects.connection import collection
from projects.models import Project

PROJECTS_PER_PAGE = 500
DOCUMENTS_PER_READ = 2_000
"""The number of documents read in one range of ids. A range with more documents is halved."""
MAX_NAMED = 100
"""Findings of each rule that a report names; all findings are counted."""
MIN_DOCUMENT_AGE = timedelta(hours=1)
"""A younger document may belong to a project that is not committed yet."""
START: Final = UUID(int=0)
END: Final = UUID(int=2**128 - 1)
RULES: Final[Mapping[str, str]] = {
    "timeline_missing": "A project that had a timeline still has one.",
    "timeline_of_another_user": "A timeline belongs to the user of its project.",
    "version_went_back": "A timeline is at least as new as the last version that was noted.",
    "timeline_without_project": "Each timeline belongs to a project.",
}
_FIELDS: Final = {"project_id": 1, "user_id": 1, "version": 1, "created_at": 1}


@dataclass(frozen=True)
class Finding:
    """One project or document that breaks a rule."""

    rule: str
    project_id: str
    expected: str
    found: str


@dataclass
class Report:
    """The result of a comparison: counts, and some findings of each rule by name."""

    checked_at: datetime = field(default_factory=timezone.now)
    projects: int = 0
    documents: int = 0
    findings: list[Finding] = field(default_factory=list)
    broken: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULES, 0))
    limit: int = MAX_NAMED

    @property
    def total(self) -> int:
        """Return how many findings there are, named or not."""
        return sum(self.broken.values())

    def add(self, finding: Finding) -> None:
        """Count a finding, and name it unless its rule has reached the limit."""
        self.broken[finding.rule] += 1
        if self.broken[finding.rule] <= self.limit:
            self.findings.append(finding)


def verify_timelines(*, limit: int = MAX_NAMED) -> Report:
    """Compare all projects, page by page, and note the versions of their documents.

    Raises the outage errors of either store.
    """
    report = Report(limit=limit)
    after: UUID | None = START
    while after is not None:
        after = check_page(after, report)
    return report


def check_page(after: UUID, report: Report, *, size: int = PROJECTS_PER_PAGE) -> UUID | None:
    """Compare the projects with the next ids, and all documents in this range of ids.

    Returns the id after which the next page begins, or None at the end.
    """
    rows = list(Project.with_deleted.filter(pk__gt=after).order_by("pk")[:size])
    last = rows[-1].pk if len(rows) == size else None
    documents = {
        str(document["project_id"]): document for document in _iterate_documents(after, last or END)
    }
    _compare(rows, documents, report)
    return last


def check_projects(project_ids: Collection[UUID], report: Report) -> None:
    """Compare the given projects and the documents with their ids."""
    rows = list(Project.with_deleted.filter(pk__in=project_ids))
    selector = {"project_id": {"$in": [str(project_id) for project_id in project_ids]}}
    documents = collection().find(selector, _FIELDS)
    _compare(rows, {str(document["project_id"]): document for document in documents}, report)


def _iterate_documents(after: UUID, last: UUID) -> Iterator[Mapping[str, Any]]:
    """Yield the documents with ids above ``after``, up to ``last``; halve ranges that are too full.

    This needs no order in MongoDB, and no read exceeds the bound.
    """
    selector = {"project_id": {"$gt": str(after), "$lte": str(last)}}
    documents = list(collection().find(selector, _FIELDS).limit(DOCUMENTS_PER_READ + 1))
    if len(documents) <= DOCUMENTS_PER_READ:
        yield from documents
        return
    middle = UUID(int=(after.int + last.int) // 2)
    yield from _iterate_documents(after, middle)
    yield from _iterate_documents(middle, last)


def _compare(
    rows: Sequence[Project], documents: Mapping[str, Mapping[str, Any]], report: Report
) -> None:
    report.projects += len(rows)
    report.documents += len(documents)
    suspects: dict[UUID, Finding] = {}
    ahead: list[Project] = []
    for project in rows:
        document = documents.get(str(project.pk))
        finding = _find_disagreement(project, document)
        if finding is not None:
            suspects[project.pk] = finding
        elif document is not None and document["version"] != project.edl_version:
            project.edl_id, project.edl_version = str(document["_id"]), document["version"]
            ahead.append(project)
    _note_versions(ahead)
    # A project is marked as deleted before its document is: an unmarked project has lost it.
    unmarked_ids = Project.objects.filter(pk__in=suspects).values_list("pk", flat=True)
    for project_id in unmarked_ids:
        report.add(suspects[project_id])
    for finding in _find_orphans({str(project.pk) for project in rows}, documents):
        report.add(finding)


def _find_disagreement(project: Project, document: Mapping[str, Any] | None) -> Finding | None:
    name, noted_version = str(project.pk), project.edl_version or 0
    if document is None:
        if not project.had_timeline:
            return None
        return Finding("timeline_missing", name, f"version {noted_version or 1} or later", "none")
    if document["user_id"] != str(project.user_id):
        owner = document["user_id"]
        return Finding("timeline_of_another_user", name, str(project.user_id), owner)
    if document["version"] < noted_version:
        return Finding("version_went_back", name, str(noted_version), str(document["version"]))
    return None


def _note_versions(projects: Iterable[Project]) -> None:
    """Note the documents' ids and versions, unless an edit has noted a later version meanwhile."""
    for project in projects:
        is_behind = Q(edl_version=None) | Q(edl_version__lt=project.edl_version) | Q(edl_id=None)
        Project.objects.filter(is_behind, pk=project.pk).update(
            edl_id=project.edl_id, edl_version=project.edl_version
        )


def _find_orphans(
    known_ids: Collection[str], documents: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    """Yield findings for documents whose project has no row, not even one being deleted."""
    created_before = timezone.now() - MIN_DOCUMENT_AGE
    suspects = [
        document
        for project_id, document in documents.items()
        if project_id not in known_ids and document["created_at"] < created_before
    ]
    ids = [UUID(name) for name in (document["project_id"] for document in suspects) if is_id(name)]
    existing_ids = {
        str(pk) for pk in Project.with_deleted.filter(pk__in=ids).values_list("pk", flat=True)
    }
    for document in suspects:
        if document["project_id"] not in existing_ids:
            description = f"version {document['version']} of user {document['user_id']}"
            yield Finding(
                "timeline_without_project", document["project_id"], "a project", description
            )


def is_id(text: str) -> bool:
    """Return True if the text is an id in the form that rows have."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def advance_versions(report: Report) -> int:
    """Raise the versions of timelines that went back above those that clients have seen.

    Their content does not change. Returns how many versions were raised.
    """
    advanced_count = 0
    for finding in report.findings:
        if finding.rule != "version_went_back":
            continue
        selector = {"project_id": finding.project_id, "version": int(finding.found)}
        change = {"$set": {"version": int(finding.expected) + 1, "updated_at": edl.now()}}
        advanced_count += collection().update_one(selector, change).modified_count
    return advanced_count


def remove_without_project(report: Report) -> int:
    """Delete the documents of a report whose projects have no row; return how many."""
    names = [
        finding.project_id
        for finding in report.findings
        if finding.rule == "timeline_without_project"
    ]
    ids = [UUID(name) for name in names if is_id(name)]
    existing_ids = {
        str(pk) for pk in Project.with_deleted.filter(pk__in=ids).values_list("pk", flat=True)
    }
    orphan_ids = [name for name in names if name not in existing_ids]
    return (
        collection().delete_many({"project_id": {"$in": orphan_ids}}).deleted_count
        if orphan_ids
        else 0
    )


def start_empty(project: Project) -> bool:
    """Create an empty timeline for a project that has lost its own; return False if it has one.

    The new version is above those that clients have seen.
    """
    selector = {"project_id": str(project.pk)}
    if collection().find_one(selector, {"_id": 1}) is not None:
        return False
    edl.create_document(project, version=(project.edl_version or 0) + 1)
    return True
