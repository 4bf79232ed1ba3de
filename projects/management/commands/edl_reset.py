"""`manage.py edl_reset`: give projects whose timelines are lost for good an empty one."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from projects import verification
from projects.models import Project


class Command(BaseCommand):
    help = (
        "Give these projects an empty timeline, if they have none: their users can go on, and what "
        "was lost is not brought back. Restore the documents of MongoDB first if there is a backup."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project_ids", nargs="+", type=UUID, metavar="PROJECT_ID")

    def handle(self, *, project_ids: list[UUID], **options: Any) -> None:
        rows = Project.objects.in_bulk(project_ids)
        unknown = [str(project_id) for project_id in project_ids if project_id not in rows]
        if unknown:
            raise CommandError(f"There are no such projects: {', '.join(unknown)}")
        for project_id, project in rows.items():
            if verification.start_empty(project):
                self.stdout.write(f"{project_id}: has an empty timeline now")
            else:
                self.stdout.write(f"{project_id}: has a timeline, nothing was changed")
