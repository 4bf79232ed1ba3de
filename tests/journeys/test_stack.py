"""The whole embedded stack: what runs, where it answers, how it heals."""

import psutil
import requests

from auteur.devstack.processes import PROGRAMS
from tests.journeys.stack import JourneyStack
from tests.waiting import until


def test_every_process_runs(stack: JourneyStack) -> None:
    names = [program.name for program in PROGRAMS if not (program.once or program.profile)]
    for name in [*names, "postgres", "redis", "mongodb"]:
        assert stack.process(name).is_running()


def test_the_api_says_that_all_stores_answer(stack: JourneyStack) -> None:
    answer = requests.get(f"{stack.api_url}/health/ready", timeout=10)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_flower_knows_all_workers_and_the_tasks_by_name(stack: JourneyStack) -> None:
    def page() -> str:
        text = requests.get(f"{stack.flower_url}/workers", timeout=10).text
        return text if all(f"{name}@" in text for name in ("steps", "cpu", "media")) else ""

    assert until(page, seconds=20)
    assert "jobs.prepare" in stack.log("worker-steps")


def test_management_commands_reach_the_stack(stack: JourneyStack) -> None:
    token = stack.manage("issue_token", "--email", "someone@example.com")
    answer = requests.get(
        f"{stack.api_url}/credits", headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    assert answer.status_code == 200


def test_the_staff_account_signs_in(stack: JourneyStack) -> None:
    with requests.Session() as browser:
        page = f"{stack.api_url}/admin/login/"
        browser.get(page, timeout=10)
        answer = browser.post(
            page,
            data={
                "username": "admin@example.com",
                "password": (stack.var / "staff-password").read_text().strip(),
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
                "next": "/admin/",
            },
            headers={"Referer": page},
            timeout=10,
        )
    assert answer.url == f"{stack.api_url}/admin/"


def test_the_access_log_holds_no_signature(stack: JourneyStack) -> None:
    requests.get(f"{stack.api_url}/health/live?signature=do-not-log-me", timeout=10)
    until(lambda: "/health/live" in stack.log("api"))
    assert "do-not-log-me" not in stack.log("api")


def test_a_killed_worker_is_replaced_with_its_children(stack: JourneyStack) -> None:
    before, children = stack.process("worker-steps"), stack.children("worker-steps")
    assert children
    before.kill()
    psutil.wait_procs([before], timeout=10)
    assert stack.process("worker-steps").pid != before.pid
    until(lambda: len(stack.children("worker-steps")) >= len(children), seconds=60)
