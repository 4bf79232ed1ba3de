"""Send the requests of tools to the API, each with the bearer of its caller."""

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
"""Ids are checked, so that they cannot change the path of a request."""
UUID_OR_EMPTY = "^([0-9a-fA-F-]{36})?$"
FEATURE = "^[a-z0-9_-]{1,64}$"
Id = Annotated[str, Field(pattern=UUID)]
IdOrNone = Annotated[str, Field(pattern=UUID_OR_EMPTY)]
Feature = Annotated[
    str, Field(pattern=FEATURE, description="The `type` of a feature in `list_features`.")
]

MAX_CLIENTS = 64
"""The most clients that are kept, one for each bearer of an agent over HTTP."""


@dataclass(frozen=True)
class ServerOptions:
    """The address of the API, and what agents may do."""

    url: str
    live_url: str = ""
    token: str = ""
    """An API key or access token; over HTTP each request has its own."""
    folder: Path | None = None
    """The folder in which agents may read and write files; None for no files."""
    read_only: bool = False
    uncapped: bool = False
    """Allow spending with a bearer that has no spending cap."""
    import_hosts: frozenset[str] = frozenset()
    """The hosts from which files may be imported, in lower case; if empty, all public hosts."""


class Access:
    """The access of tools to the API."""

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self._get_client = lru_cache(MAX_CLIENTS)(self._create_client)

    def get_client(self, ctx: Context) -> Auteur:
        """Return a client with the bearer of the caller; raise ``ToolError`` if there is none.

        Over stdio the bearer is the server's own.
        """
        return self._get_client(self._get_token(ctx))

    def _get_token(self, ctx: Context) -> str:
        request = ctx.request_context.request
        token = self.options.token if request is None else get_bearer(request.headers)
        if not token:
            raise ToolError(
                "You are not signed in. Set AUTEUR_TOKEN, or send an Authorization header."
            )
        return token

    def _create_client(self, token: str) -> Auteur:
        return Auteur(self.options.url, token, live_url=self.options.live_url or None)

    def request(
        self,
        ctx: Context,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        key: str = "",
        version: int | None = None,
    ) -> Json:
        """Send a request and return its JSON; raise ``ToolError`` if the API refuses it.

        ``key`` is the idempotency key. ``version`` is the version that a timeline must have.
        """
        headers = {"Idempotency-Key": key} if key else {}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        params = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        try:
            answer = self.get_client(ctx).request(
                method, path, json=body, params=params, headers=headers
            )
        except AuteurError as exc:
            raise ToolError(str(exc)) from exc
        return answer or {}

    def build_key(self, ctx: Context, *parts: Any) -> str:
        """Return an idempotency key: the same for the same caller and parts."""
        text = json.dumps([self._get_token(ctx), *parts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def check_parameters(self, parameters: Mapping[str, Any]) -> Json:
        """Return the parameters of a job; raise ``ToolError`` if they have a `callback_url`.

        A prompt injection could use it to send events to another server.
        """
        if "callback_url" in parameters:
            raise ToolError("Agents may not set callback_url. Leave it out, and use wait_for_job.")
        return dict(parameters)

    def check_import_url(self, url: str) -> str:
        """Return a URL that agents may import from; raise ``ToolError`` for any other."""
        hosts = self.options.import_hosts
        host = (urlsplit(url).hostname or "").removesuffix(".")
        if hosts and host not in hosts:
            raise ToolError(
                f"The host of {url} is not allowed. Import from: {', '.join(sorted(hosts))}."
            )
        return url

    def get_file(self, path: str) -> Path:
        """Return a path in the folder that agents may use; raise ``ToolError`` for any other."""
        folder = self.options.folder
        if folder is None:
            raise ToolError("The server has no folder for files. Start it with --folder.")
        file = (folder / path).resolve()
        if not file.is_relative_to(folder.resolve()):
            raise ToolError(f"{path} is outside the folder of the server. Name a path inside it.")
        return file


def get_bearer(headers: Mapping[str, str]) -> str:
    """Return the token of the ``Authorization`` header, or an empty string."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
