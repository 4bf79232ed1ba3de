"""Measure EDL operations per second of the API, beside a bare DRF view with one update.

Ours moves a clip by `PATCH /projects/:id/edl` with `If-Match`: token, throttle, the project's row,
a projected read, the rules of the timeline, and one update with its inverse and the new version.
The baseline names project and version in its URL and sends MongoDB the one update, without a token
or a history. A second baseline is the same view behind the token and the throttle of all our
endpoints. All are served in the same way, by our server with its eight threads, to the same clients
in turn, each with its own project. MongoDB and the clients share the cores of this machine. The
rate limit is raised.
"""

import http.client
import itertools
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from auteur.devstack import ports, processes
from auteur.devstack.process import Process
from benchmarks import cputime, report, stack
from benchmarks.stack import CLIENTS, User

SECONDS = float(os.environ.get("BENCHMARK_EDL_SECONDS", "4"))
CLIPS = int(os.environ.get("BENCHMARK_EDL_CLIPS", "200"))
WARM_UP_SECONDS = 1.0
CLIP_MS = 1000
TURNS = ("ours", "guarded", "bare", "bare", "guarded", "ours")
GOAL = 0.7

MAKE_MEDIA = """
import uuid
from media.models import MediaFile
for user_id in {users}:
    print(MediaFile.objects.create(
        user_id=user_id, name="film.mp4", type="video", status="ready", duration_ms={duration_ms},
        r2_key=str(uuid.uuid4()), r2_url="http://storage",
    ).pk)
"""


@dataclass
class Editor:
    """A user with one project for each side."""

    user: User
    projects: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    moves: "itertools.count[int]" = field(default_factory=itertools.count)


def start_baseline(name: str, settings: Mapping[str, str]) -> tuple[str, Process]:
    """Serve a baseline like ours; return its address and process."""
    (port,) = ports.find_free_ports(1)
    (api,) = (program for program in processes.PROGRAMS if program.name == "api")
    command = api.command.replace("auteur.wsgi", f"benchmarks.{name}_edl")
    command = command.partition(" --metrics")[0]
    program = processes.Program(name, command)
    line = processes.build_command(program, {**settings, "API_PORT": str(port)})
    server = Process(
        name=name,
        command=line,
        ready=partial(_listens, port),
        environment=settings,
        directory=processes.BASE_DIR,
    )
    return f"http://{ports.HOST}:{port}", server


def _listens(port: int) -> bool:
    connection = http.client.HTTPConnection(ports.HOST, port, timeout=1)
    try:
        connection.request("GET", "/")
        return bool(connection.getresponse().status)
    except OSError:
        return False
    finally:
        connection.close()


def make_editors(settings: Mapping[str, str], url: str) -> list[Editor]:
    """Create an editor for each client."""
    users = stack.make_users(settings, users=CLIENTS, credits=1)
    script = MAKE_MEDIA.format(users=[str(user.id) for user in users], duration_ms=CLIPS * CLIP_MS)
    media = stack.run_manage(settings, "shell", "-v", "0", "-c", script).split()
    editors = [Editor(user) for user in users]
    for editor, media_id in zip(editors, media, strict=True):
        for side in set(TURNS):
            connection = _connect(url)
            project = _ask(connection, editor, "POST", "/projects", {"name": side})
            path = f"/projects/{project['id']}/edl"
            edited = _ask(connection, editor, "PUT", path, _timeline(media_id), {"If-Match": "*"})
            editor.projects[side] = project["id"]
            editor.versions[side] = edited["version"]
    return editors


def _timeline(media_id: str) -> dict[str, Any]:
    track_id = str(uuid.uuid4())
    clips = [
        {
            "id": f"c{number}",
            "media_file_id": media_id,
            "track_id": track_id,
            "start_ms": number * CLIP_MS,
            "duration_ms": CLIP_MS,
            "in_point_ms": number * CLIP_MS,
            "out_point_ms": (number + 1) * CLIP_MS,
        }
        for number in range(CLIPS)
    ]
    return {"tracks": [{"id": track_id, "type": "video", "name": "V", "clips": clips}]}


def _connect(url: str) -> http.client.HTTPConnection:
    address = urlsplit(url)
    return http.client.HTTPConnection(address.hostname or "", address.port)


def _ask(
    connection: http.client.HTTPConnection,
    editor: Editor,
    method: str,
    path: str,
    body: Any,
    headers: Mapping[str, str] | None = None,
) -> Any:
    own = {
        "Authorization": f"Bearer {editor.user.token}",
        "Content-Type": "application/json",
        **(headers or {}),
    }
    connection.request(method, path, json.dumps(body), own)
    response = connection.getresponse()
    content = response.read()
    if response.status >= http.client.BAD_REQUEST:
        raise RuntimeError(f"{method} {path} answered {response.status}: {content!r}")
    return json.loads(content)


def send_operation(connection: http.client.HTTPConnection, editor: Editor, start_ms: int) -> Any:
    """Send one operation to the API."""
    operation = {"op": "move_clip", "clip_id": "c0", "start_ms": start_ms}
    path = f"/projects/{editor.projects['ours']}/edl"
    seen = {"If-Match": f'"{editor.versions["ours"]}"'}
    return _ask(connection, editor, "PATCH", path, {"operations": [operation]}, seen)


def send_bare_update(
    side: str, connection: http.client.HTTPConnection, editor: Editor, start_ms: int
) -> Any:
    """Send one update to a baseline."""
    path = f"/bare/{editor.projects[side]}/{editor.versions[side]}"
    return _ask(connection, editor, "PATCH", path, {"start_ms": start_ms})


MOVES: dict[str, Callable[[http.client.HTTPConnection, Editor, int], Any]] = {
    "ours": send_operation,
    "guarded": partial(send_bare_update, "guarded"),
    "bare": partial(send_bare_update, "bare"),
}


def measure_rate(editors: list[Editor], side: str, url: str, seconds: float) -> float:
    """Return the operations per second of all clients together."""
    end = time.perf_counter() + seconds

    def client(editor: Editor) -> int:
        connection = _connect(url)
        for count in itertools.count():
            if time.perf_counter() >= end:
                return count
            start_ms = CLIPS * CLIP_MS + next(editor.moves) % CLIP_MS
            editor.versions[side] = MOVES[side](connection, editor, start_ms)["version"]
        raise AssertionError

    with ThreadPoolExecutor(CLIENTS) as threads:
        return sum(threads.map(client, editors)) / seconds


@dataclass
class SideResult:
    """The work of one side, in all its turns."""

    operations: float = 0
    seconds: float = 0
    server_seconds: float = 0
    """Seconds of processor time; so is that of the store."""
    store_seconds: float = 0

    @property
    def rate(self) -> float:
        return self.operations / self.seconds

    @property
    def rate_alone(self) -> float:
        """Return the rate that would result if the store used no processor time."""
        return self.operations / (self.seconds - self.store_seconds / (os.cpu_count() or 1))

    def milliseconds(self, seconds: float) -> float:
        """Return the milliseconds for each operation."""
        return seconds * 1000 / self.operations


def measure(var: Path, values: Mapping[str, str]) -> dict[str, SideResult]:
    """Measure all sides in turn."""
    settings = stack.settings(values, RATE_LIMIT="1000000/minute", LOG_LEVEL="WARNING")
    bare_url, bare = start_baseline("bare", settings)
    guarded_url, guarded = start_baseline("guarded", settings)
    urls = {"ours": values["PUBLIC_URL"], "guarded": guarded_url, "bare": bare_url}
    programs = stack.list_programs(settings, ("migrate", "api"))
    with stack.run_processes([*programs, bare, guarded], var) as supervisor:
        pids = {child.name: child.pid or 0 for child in supervisor.children}
        servers = {"ours": pids["api"], "guarded": pids["guarded"], "bare": pids["bare"]}
        store = cputime.find_pid(values["MONGODB_URI"].rpartition(":")[2], "mongod")
        editors = make_editors(settings, urls["ours"])
        for side, url in urls.items():
            measure_rate(editors, side, url, WARM_UP_SECONDS)
        results = {side: SideResult() for side in urls}
        for side in TURNS:
            side_result = results[side]
            before = cputime.read_cpu_seconds(servers[side]), cputime.read_cpu_seconds(store)
            side_result.operations += measure_rate(editors, side, urls[side], SECONDS) * SECONDS
            side_result.seconds += SECONDS
            side_result.server_seconds += cputime.read_cpu_seconds(servers[side]) - before[0]
            side_result.store_seconds += cputime.read_cpu_seconds(store) - before[1]
    return results


WAYS = {
    "ours": "ours: a named operation through the API",
    "guarded": "the bare view behind our token and throttle",
    "bare": "a bare DRF view, one versioned update",
}


def main() -> None:
    with stack.run_stores() as (var, values):
        results = measure(var, values)
    ours, bare, guarded = results["ours"], results["bare"], results["guarded"]
    report.show(
        benchmark="edl",
        title=f"EDL operations per second, {CLIPS} clips, {CLIENTS} clients, "
        f"{os.cpu_count()} cores, Python {sys.version_info.major}.{sys.version_info.minor}",
        columns=("way", "operations/s", "without MongoDB's time", "ms of server", "ms of MongoDB"),
        rows=[
            (
                way,
                results[side].rate,
                results[side].rate_alone,
                f"{results[side].milliseconds(results[side].server_seconds):.2f}",
                f"{results[side].milliseconds(results[side].store_seconds):.2f}",
            )
            for side, way in WAYS.items()
        ],
        ours=ours.rate,
        baselines={"bare_drf": bare.rate, "guarded_drf": guarded.rate},
        without_store={
            "bare_drf": round(ours.rate_alone / bare.rate_alone, 2),
            "guarded_drf": round(ours.rate_alone / guarded.rate_alone, 2),
        },
        server_ms={
            side: round(result.milliseconds(result.server_seconds), 2)
            for side, result in results.items()
        },
        clips=CLIPS,
        goal=GOAL,
    )


if __name__ == "__main__":
    main()
