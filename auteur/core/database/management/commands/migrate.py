"""Django's ``migrate``, as the owner of the tables, alone and without blocking the application."""

from typing import Any

from django.core.management.commands import migrate

from auteur.core.database import migration_session, roles


class Command(migrate.Command):
    help = (
        migrate.Command.help
        + " Runs as MIGRATION_DATABASE_URL. Gives up locks that block the application and tries "
        "again. Then grants access to the tables only to the application's role."
    )

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        """Skip database checks, because there may be no tables and no application role yet."""
        return {**super().get_check_kwargs(options), "databases": []}

    def handle(self, *args: Any, **options: Any) -> None:
        alias = options["database"]
        report = self.stdout.write if options["verbosity"] else _discard
        with migration_session.connect_as_owner(alias) as application:
            migration_session.wait_for_answer(alias, report)
            with migration_session.hold_migration_lock(alias, report):
                migration_session.retry_on_lock_timeout(
                    lambda: self._run(application, report, *args, **options), report
                )

    def _run(
        self,
        application: dict[str, Any],
        report: migration_session.Report,
        *args: Any,
        **options: Any,
    ) -> None:
        migration_session.drop_invalid_indexes(options["database"])
        super().handle(*args, **options)
        if options["plan"] or options["check_unapplied"]:
            return
        is_apart = roles.secure_tables(
            options["database"], user=application["USER"], password=application["PASSWORD"]
        )
        if not is_apart:
            report(
                "One role for all: the application owns its tables. Set MIGRATION_DATABASE_URL, so"
                " that the role of DATABASE_URL cannot change tables or the ledger."
            )


def _discard(line: str) -> None:
    pass
