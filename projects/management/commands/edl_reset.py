"""`manage.py edl_reset`: give projects whose timelines are lost for good an empty one."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from projects import verification
from projects.models import Project


class Command(BaseCommand):
    help = (
        "Create an empty timeline for each of these projects that has lost its own. Lost "
        "timelines are not restored: if there is a backup, restore the documents of MongoDB first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project_ids", nargs="+", type=UUID, metavar="PROJECT_ID")

    def handle(self, *, project_ids: list[UUID], **options: Any) -> None:
        rows = Project.objects.in_bulk(project_ids)
        unknown = [str(project_id) for project_id in project_ids if project_id not in rows]
        if unknown:
            raise CommandError(f"These projects do not exist: {', '.join(unknown)}. Check the ids.")
        for project_id, project in rows.items():
            if verification.start_empty(project):
                self.stdout.write(f"{project_id}: an empty timeline was created")
            else:
                self.stdout.write(f"{project_id}: has a timeline, so nothing was changed")
