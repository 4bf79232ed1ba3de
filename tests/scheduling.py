"""A pytest plugin: which tests share a worker of xdist.

pytest-xdist 3.8 marks a test's group in its node id, where pytest 9.2 no longer lets it; so tests
that share a running stack are known by their folder.
"""

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

GROUPS = {
    "tests/journeys/": "stack",
    "tests/chaos/": "chaos",
    "tests/clients/": "clients",
    "tests/auteur/core/database/": "database",  # roles are the whole server's
    "tests/deploy/test_commands.py": "deploy",
    "tests/gpu_tasks/gaze_redirection/": "gaze_redirection",  # films that take long to make
    "tests/gpu_tasks/lip_sync/": "lip_sync",
    "tests/gpu_tasks/performance_cloning/": "performance_cloning",
    "tests/auteur/help/": "clients",
    "tests/auteur/live/": "live",
    "tests/studio/": "clients",
}


class StackScheduling(LoadGroupScheduling):
    """Tests of one running stack, or of roles, stay together; all others go where there is room."""

    def _split_scope(self, nodeid: str) -> str:
        for folder, group in GROUPS.items():
            if nodeid.startswith(folder):
                return group
        return str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> StackScheduling | None:
    """Ours in place of ``--dist loadgroup``."""
    return StackScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None
