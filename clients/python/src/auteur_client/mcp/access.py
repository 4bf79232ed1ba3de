"""Who asks, and what the API answers: each call goes to the API with the bearer of its request."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from auteur_client.client import Auteur
from auteur_client.errors import AuteurError

Json = dict[str, Any]

UUID = "^[0-9a-fA-F-]{36}$"
"""Whatever stands in a path of the API is checked, so that it leads to nothing else."""
UUID_OR_EMPTY = "^([0-9a-fA-F-]{36})?$"
FEATURE = "^[a-z0-9_-]{1,64}$"
Id = Annotated[str, Field(pattern=UUID)]
IdOrNone = Annotated[str, Field(pattern=UUID_OR_EMPTY)]
Feature = Annotated[str, Field(pattern=FEATURE, description="Its `type` in `list_features`.")]

MAX_CLIENTS = 64
"""Connections to the API that are kept, by bearer: of agents that ask over HTTP."""


@dataclass(frozen=True)
class Serving:
    """Where the API is, and what agents may do."""

    url: str
    live_url: str = ""
    token: str = ""
    """An API key or access token; over HTTP each request has its own."""
    folder: Path | None = None
    """Below which files are read and written; none: no files at all."""
    read_only: bool = False
    uncapped: bool = False
    """Spend also where no cap of an API key stands before the balance."""
    import_hosts: frozenset[str] = frozenset()
    """Hosts that files are imported from, in lower case; none: any on the public internet."""


class Access:
    """The API, for whoever makes a call."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self._client = lru_cache(MAX_CLIENTS)(self._make)

    def client(self, ctx: Context) -> Auteur:
        """With the bearer of this request, or the server's own; raises ``ToolError``."""
        return self._client(self._token(ctx))

    def _token(self, ctx: Context) -> str:
        request = ctx.request_context.request
        token = self.serving.token if request is None else bearer(request.headers)
        if not token:
            raise ToolError("Not signed in: set AUTEUR_TOKEN, or send an Authorization header.")
        return token

    def _make(self, token: str) -> Auteur:
        return Auteur(self.serving.url, token, live_url=self.serving.live_url or None)

    def ask(
        self,
        ctx: Context,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        name: str = "",
        version: int | None = None,
    ) -> Json:
        """The API's answer; what it refuses is told to the agent as the tool's error.

        ``name`` names the work: asked again with the same one, it is not done again. ``version`` is
        what a timeline must be at.
        """
        headers = {"Idempotency-Key": name} if name else {}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        given = {key: value for key, value in (query or {}).items() if value not in (None, "")}
        try:
            answer = self.client(ctx).request(
                method, path, json=body, params=given, headers=headers
            )
        except AuteurError as exc:
            raise ToolError(str(exc)) from exc
        return answer or {}

    def name(self, ctx: Context, *parts: Any) -> str:
        """What names this work of this caller: the same parts, the same name."""
        said = json.dumps([self._token(ctx), *parts], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()

    def job_parameters(self, parameters: Mapping[str, Any]) -> Json:
        """Return the parameters of a job; raise ``ToolError`` for an address to report to.

        Whoever controls an agent by what it reads could have events sent elsewhere.
        """
        if "callback_url" in parameters:
            raise ToolError("Agents name no callback_url: leave it out, and use wait_for_job.")
        return dict(parameters)

    def import_url(self, url: str) -> str:
        """Return a URL that agents may import from; raise ``ToolError`` for any other."""
        hosts = self.serving.import_hosts
        host = (urlsplit(url).hostname or "").removesuffix(".")
        if hosts and host not in hosts:
            raise ToolError(f"Files are imported from {', '.join(sorted(hosts))} alone.")
        return url

    def file(self, path: str) -> Path:
        """A path below the folder that agents may use; raises ``ToolError``."""
        folder = self.serving.folder
        if folder is None:
            raise ToolError("No folder was named for files: start the server with --folder.")
        found = (folder / path).resolve()
        if not found.is_relative_to(folder.resolve()):
            raise ToolError(f"{path} is not below the folder that was named for files.")
        return found


def bearer(headers: Mapping[str, str]) -> str:
    """The token of an ``Authorization`` header; empty where there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
