"""What was counted of the API's use is stored when a process ends, be it by SIGTERM."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from accounts.models import User
from auteur.devstack import ports
from auteur.devstack.processes import BASE_DIR, has_ok_answer
from jobs.integrations.streams.models import ApiUsage
from tests.auteur.core.database.conftest import url_of
from tests.auteur.live.conftest import Stores
from tests.auteur.live.running import Live, make_user, token_of
from tests.waiting import until

REQUESTS = 8


def counted(user: User) -> list[tuple[str, str, int]]:
    rows = ApiUsage.objects.filter(user_id=user.pk)
    return list(rows.values_list("route", "status_class", "requests"))


def test_of_live(live: Live, user: User) -> None:
    assert live.ask("/events", user)[0] == 200
    assert live.ask("/events", user)[0] == 200
    live.terminate()
    assert counted(user) == [("/events", "2xx", 2)]


@pytest.mark.parametrize("processes", [1, 2])
def test_of_the_api(stores: Stores, tmp_path: Path, processes: int) -> None:
    user = make_user()
    (port,) = ports.find_free_ports(1)
    command = ("-m", "auteur.server", "auteur.wsgi:application", "--bind", f"127.0.0.1:{port}")
    own = {"DATABASE_URL": url_of(port=stores.postgres.port), "API_PROCESSES": str(processes)}
    with (tmp_path / "said").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=BASE_DIR,
            env=os.environ | own,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: has_ok_answer(port, "/health/live"), seconds=60)
            statuses = {  # each by a connection of its own, which the processes take in turn
                requests.get(
                    f"http://127.0.0.1:{port}/credits/history",
                    headers={"Authorization": f"Bearer {token_of(user)}"},
                    timeout=10,
                ).status_code
                for _ in range(REQUESTS)
            }
            process.terminate()
            process.wait(60)
        finally:
            process.kill()
    (status,) = statuses
    rows = counted(user)
    assert {row[:2] for row in rows} == {("/credits/history", f"{status // 100}xx")}
    assert sum(requests for _, _, requests in rows) == REQUESTS
    assert len(rows) == processes
    assert "Traceback" not in (tmp_path / "said").read_text()
