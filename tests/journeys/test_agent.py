"""An agent's sessions: the server that `auteur mcp` starts, asked by the protocol's own client."""

import json
import os
import signal
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import psutil
import pytest
from auteur_client.mcp.untrusted import NOTICE
from mcp import Client, StdioServerParameters
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Request, RequestParams, Result

from auteur.devstack import ports
from auteur.devstack.processes import BASE_DIR
from tests.journeys.client import Person
from tests.journeys.recordings import BROKEN, INTERVIEW, beginning
from tests.journeys.stack import JourneyStack
from tests.waiting import until

AUTEUR = str(Path(sys.executable).with_name("auteur"))
SECONDS = 120
TASKS = "io.modelcontextprotocol/tasks"

Json = dict[str, Any]


class Task(Result):
    """What `run_feature` answers a client that knows tasks."""

    result_type: Literal["task"] = "task"
    taskId: str  # noqa: N815  # as it is sent


class Detailed(Result):
    """What `tasks/get` answers."""

    status: str = ""
    result: Json | None = None


class KnowsTasks(ClientExtension):
    """Takes a task and leaves it."""

    identifier = TASKS

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Task, resolve=self._resolve)]

    async def _resolve(self, task: Task, ctx: ClaimContext) -> CallToolResult:
        return CallToolResult(content=[], structured_content={"task_id": task.taskId})


class Agent:
    """One session: a server of its own, over stdio."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, **arguments: Any) -> Any:
        """What a tool answers; fails the test where it refuses."""
        results = await self.client.call_tool(tool, arguments)
        assert not results.is_error, results.content
        return results.structured_content

    async def refused(self, tool: str, **arguments: Any) -> str:
        """Why a tool refuses."""
        results = await self.client.call_tool(tool, arguments)
        assert results.is_error
        return str(results.content[0].text)

    async def task(self, task_id: str, method: str = "tasks/get") -> Detailed:
        request: Request[Any, Any] = Request(method=method, params=TaskParams(task_id=task_id))
        return await self.client.session.send_request(request, Detailed)


class TaskParams(RequestParams):
    """Which task."""

    task_id: str


def key_of(person: Person, **asked: Any) -> str:
    """An API key that may do what agents do."""
    body = {"name": "Agent Smith", "scopes": ["read", "media", "jobs"], **asked}
    return str(person.post("/api-keys", body)["key"])


@asynccontextmanager
async def session(
    stack: JourneyStack, token: str, *arguments: str, knows_tasks: bool = False
) -> AsyncIterator[Agent]:
    """A server that `auteur mcp` starts, and a client of it."""
    env = {**os.environ, "AUTEUR_URL": stack.api_url, "AUTEUR_TOKEN": token}
    server = StdioServerParameters(command=AUTEUR, args=["mcp", *arguments], env=env)
    extensions = [KnowsTasks()] if knows_tasks else []
    async with Client(server, extensions=extensions, read_timeout_seconds=SECONDS) as client:
        yield Agent(client)


def played(agent: Callable[[], Any]) -> None:
    """Run what an agent does, for not too long."""

    async def within() -> None:
        with anyio.fail_after(SECONDS):
            await agent()

    anyio.run(within)


def build_server(pid: int) -> psutil.Process:
    """The server that a process has started."""
    return next(
        child for child in psutil.Process(pid).children(recursive=True) if "mcp" in child.cmdline()
    )


def test_from_a_file_to_a_film_without_its_fillers(
    stack: JourneyStack, person: Person, tmp_path: Path
) -> None:
    talk = beginning(tmp_path / "talk.mp4", seconds=7).read_bytes()
    token = key_of(person, credits_in_all=5)

    async def edit() -> None:
        async with session(stack, token, "--folder", str(tmp_path)) as agent:
            project = await agent.call("create_project", name="Talk", call_id="one")
            again = await agent.call("create_project", name="Talk", call_id="one")
            assert again["id"] == project["id"]
            here = {"project_id": project["id"]}
            media = await agent.call("upload_media", **here, path="talk.mp4", call_id="talk")
            assert media["status"] == "ready"
            same = await agent.call("upload_media", **here, path="talk.mp4", call_id="talk")
            assert same["id"] == media["id"]

            parameters = {"media_id": media["id"], "language": "en"}
            quote = await agent.call("quote_feature", type="transcription", parameters=parameters)
            request_data = {"parameters": parameters, "quote_id": quote["quote_id"]}
            job = await agent.call("run_feature", type="transcription", **request_data)
            assert (await agent.call("run_feature", type="transcription", **request_data))[
                "id"
            ] == job["id"]
            while job["status"] not in ("completed", "failed"):
                job = await agent.call("wait_for_job", job_id=job["id"], seconds=5)
            assert job["status"] == "completed"
            spoken = await agent.call("get_transcript", **here, with_words=True)
            assert spoken["segments"][0]["words"]
            assert spoken["goes_on_at_ms"] is None

            timeline = await agent.call("get_timeline", **here)
            clip = {"op": "add_clip", "track_id": "v", "media_file_id": media["id"]}
            clip |= {"start_ms": 0, "in_point_ms": 0, "out_point_ms": 4000}
            track = {"op": "add_track", "track_id": "v", "type": "video", "name": "Film"}
            step = {"version": timeline["version"], "operations": [track, clip]}
            edited = await agent.call("edit_timeline", **here, **step)
            assert await agent.call("edit_timeline", **here, **step) == edited
            assert "stale_edl" in await agent.refused(
                "edit_timeline", **here, version=timeline["version"], operations=[track]
            )
            timeline = await agent.call("get_timeline", **here)
            assert [clip_row["duration_ms"] for clip_row in timeline["clips"]] == [4000]
            (step,) = (await agent.call("get_history", **here))["undo"]
            assert (step["author"]["type"], step["author"]["name"]) == ("api_key", "Agent Smith")
            assert step["operations"] == ["add_track", "add_clip"]
            looked = await agent.client.call_tool("get_frame", {**here, "at_ms": 1000, "width": 64})
            assert (looked.content[0].type, looked.content[0].mime_type) == ("image", "image/jpeg")
            assert b64decode(looked.content[0].data)[:2] == b"\xff\xd8"
            assert looked.content[-1].text == NOTICE
            assert "beyond_timeline" in await agent.refused("get_frame", **here, at_ms=4000)
            (placeholder,) = (await agent.call("list_placeholders", **here))["placeholders"]
            assert (placeholder["media_file_id"], placeholder["duration_ms"]) == (media["id"], 4000)
            copying = {
                **here,
                "name": "Copy",
                "call_id": "copy",
                "media": {media["id"]: media["id"]},
            }
            copy = await agent.call("copy_project", **copying)
            assert copy["filled_clips"] == 1
            assert (await agent.call("copy_project", **copying))["id"] == copy["id"]
            undone = await agent.call("undo_edit", **here, version=edited["version"])
            assert undone["version"] == edited["version"] + 1
            assert (await agent.call("get_timeline", **here))["clips"] == []

            await agent.call("download_media", media_id=media["id"], path="back.mp4")
            assert (tmp_path / "back.mp4").read_bytes() == talk
            (tmp_path / "mine.txt").write_text("mine")
            assert "already exists" in await agent.refused(
                "download_media", media_id=media["id"], path="mine.txt"
            )
            assert "outside the folder" in await agent.refused(
                "download_media", media_id=media["id"], path="../out.mp4"
            )
            key = (await agent.call("get_credits"))["key"]
            assert key["credits_spent"] == quote["credits"]
            assert len((await agent.call("list_jobs"))["rows"]) == 1

    played(edit)


def test_a_session_that_is_killed_goes_on_in_another(stack: JourneyStack, person: Person) -> None:
    project = person.post("/projects", {"name": "Talk"})["id"]
    parameters = {"media_id": person.media_of(project, INTERVIEW), "language": "en"}
    before = person.get("/credits")["balance"]
    token = key_of(person, credits_in_all=5)
    expected_body: Json = {}

    async def begin() -> None:
        async with session(stack, token, knows_tasks=True) as agent:
            quote = await agent.call("quote_feature", type="transcription", parameters=parameters)
            expected_body["asked"] = {"parameters": parameters, "quote_id": quote["quote_id"]}
            expected_body.update(
                await agent.call("run_feature", type="transcription", **expected_body["asked"])
            )
            async with anyio.create_task_group() as meanwhile:
                meanwhile.start_soon(kill)
                with pytest.raises(MCPError, match="closed"):
                    await agent.call("wait_for_job", job_id=expected_body["task_id"], seconds=50)

    async def kill() -> None:
        await anyio.sleep(0.5)
        build_server(os.getpid()).kill()

    async def go_on() -> None:
        async with session(stack, token, knows_tasks=True) as agent:
            again = await agent.call("run_feature", type="transcription", **expected_body["asked"])
            assert again["task_id"] == expected_body["task_id"]
            while (task := await agent.task(expected_body["task_id"])).status == "working":
                await anyio.sleep(0.5)
            assert task.status == "completed"
            assert task.result["isError"] is False
            assert task.result["structuredContent"]["output_data"]["segments_count"] > 0
            with pytest.raises(Exception, match="not_found"):
                await agent.task("00000000-0000-4000-8000-000000000000")

    played(begin)
    played(go_on)
    cost = person.get(f"/jobs/{expected_body['task_id']}")["credits_cost"]
    assert person.get("/credits")["balance"] == before - cost


def test_a_failed_job_is_a_completed_task_with_an_error(
    stack: JourneyStack, person: Person
) -> None:
    project = person.post("/projects", {"name": "Talk"})["id"]
    parameters = {"media_id": person.media_of(project, BROKEN), "language": "en"}

    async def fail() -> None:
        async with session(stack, key_of(person, credits_in_all=5), knows_tasks=True) as agent:
            quote = await agent.call("quote_feature", type="transcription", parameters=parameters)
            request_data = {"parameters": parameters, "quote_id": quote["quote_id"]}
            task_id = (await agent.call("run_feature", type="transcription", **request_data))[
                "task_id"
            ]
            while (task := await agent.task(task_id)).status == "working":
                await anyio.sleep(0.5)
            assert task.status == "completed"
            assert task.result["isError"] is True
            assert task.result["structuredContent"]["credits_refunded"] is True
            await agent.task(task_id, "tasks/cancel")  # too late, and no error

            quote = await agent.call("quote_feature", type="transcription", parameters=parameters)
            request_data = {"parameters": parameters, "quote_id": quote["quote_id"]}
            job_id = (await agent.call("run_feature", type="transcription", **request_data))[
                "task_id"
            ]
            for _ in range(2):
                job = await agent.call("cancel_job", job_id=job_id)
                assert (job["status"], job["credits_refunded"]) == ("cancelled", True)

    played(fail)


def test_nothing_is_spent_without_a_cap_or_beyond_it(stack: JourneyStack, person: Person) -> None:
    project = person.post("/projects", {"name": "Talk"})["id"]
    parameters = {"media_id": person.media_of(project, INTERVIEW), "language": "en"}
    before = person.get("/credits")["balance"]

    def spend(token: str, *arguments: str) -> str:
        reasons: list[str] = []

        async def ask() -> None:
            async with session(stack, token, *arguments) as agent:
                quote = await agent.call(
                    "quote_feature", type="transcription", parameters=parameters
                )
                request_data = {"parameters": parameters, "quote_id": quote["quote_id"]}
                reasons.append(
                    await agent.refused("run_feature", type="transcription", **request_data)
                )

        played(ask)
        return reasons[0]

    assert "may not spend" in spend(key_of(person))
    assert "may not spend" in spend(key_of(person, credits_in_all=None))
    assert "spending_cap_reached" in spend(key_of(person, credits_in_all=0))
    assert "invalid_token" in spend_nothing(stack)
    assert person.get("/credits")["balance"] == before


def spend_nothing(stack: JourneyStack) -> str:
    """What a session without a good token is told."""
    messages: list[str] = []

    async def ask() -> None:
        async with session(stack, "auteur_no_such_key") as agent:
            messages.append(await agent.refused("list_projects"))

    played(ask)
    assert "auteur_no_such_key" not in messages[0]
    return messages[0]


def test_a_tool_that_reads_leads_nowhere_else(stack: JourneyStack, person: Person) -> None:
    project = person.post("/projects", {"name": "Talk"})["id"]

    async def stray() -> None:
        async with session(stack, key_of(person), "--read-only") as agent:
            request_data = {"parameters": {"text": "Good morning"}}
            for feature in ("tts?", "tts#", "../jobs/tts?", "tts/../tts"):
                refusal = await agent.refused("quote_feature", type=feature, **request_data)
                assert "Give the `type` of a feature" in refusal
            refusal = await agent.refused("get_timeline", project_id=f"{project}?")
            assert "Give an id" in refusal

    played(stray)
    assert person.get("/jobs")["jobs"] == []


def test_what_tools_do_is_told(stack: JourneyStack, person: Person) -> None:
    async def look() -> None:
        async with session(stack, key_of(person), "--read-only") as agent:
            tools = (await agent.client.list_tools()).tools
            assert all(tool.annotations.read_only_hint for tool in tools)
            assert "get_timeline" in {tool.name for tool in tools}
        async with session(stack, key_of(person)) as agent:
            effects = {
                t.name: t.meta["auteur/effect"] for t in (await agent.client.list_tools()).tools
            }
            assert [name for name, effect in effects.items() if effect == "spends"] == [
                "run_feature"
            ]
            assert effects["edit_timeline"] == "changes"
            assert "upload_media" not in effects
            page = (BASE_DIR / "docs" / "agents.md").read_text()
            assert [name for name in effects if f"`{name}`" not in page] == []

    played(look)


def test_over_http_each_request_has_its_bearer(stack: JourneyStack, person: Person) -> None:
    (port,) = ports.find_free_ports(1)
    url = f"http://{ports.HOST}:{port}/mcp"
    env = {**os.environ, "AUTEUR_URL": stack.api_url, "AUTEUR_TOKEN": "auteur_not_used"}
    command = [AUTEUR, "mcp", "--http", "--bind", f"{ports.HOST}:{port}"]
    with subprocess.Popen(command, env=env) as server:
        try:
            until(lambda: answers(url), seconds=30)
            assert httpx.post(url, json={}).status_code == 401

            async def look() -> None:
                person.post("/projects", {"name": "Mine"})
                headers = {"Authorization": f"Bearer {key_of(person)}"}
                async with httpx.AsyncClient(headers=headers) as asking:
                    texts = await called(asking, url, "list_projects")
                    assert [row["name"] for row in texts["rows"]] == ["Mine"]

            played(look)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


def answers(url: str) -> bool:
    """Whether somebody answers there."""
    try:
        httpx.get(url)
    except httpx.TransportError:
        return False
    return True


async def called(asking: httpx.AsyncClient, url: str, tool: str) -> Any:
    """A tool's answer, by the bare protocol."""
    version = "2026-07-28"
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    message["params"] = {"name": tool, "arguments": {}, "_meta": meta}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    answer = await asking.post(url, json=message, headers=headers)
    assert answer.status_code == 200, answer.text
    data = next(
        (line[6:] for line in answer.text.splitlines() if line.startswith("data: {")), answer.text
    )
    return json.loads(data)["result"]["structuredContent"]
