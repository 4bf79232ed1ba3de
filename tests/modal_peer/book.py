"""What the peer knows, whether its server is up or not."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from modal._serialization import deserialize
from modal_proto import api_pb2

from gpu_tasks.runtime.errors import ErrorCode
from tests.modal_peer.scenario import Scenario, Script


@dataclass(slots=True)
class PeerCall:
    """A call that was taken."""

    function: str
    arguments: bytes
    scenario: Scenario
    ends_at: float
    result: api_pb2.GenericResult | None = None
    cancelled: bool = False
    refuses_cancel: bool = False
    runs: bool = False
    """Whether a function or a report runs for it."""
    run: Future[dict[str, Any]] | None = None
    outcome: dict[str, Any] | None = None
    """What its function returned."""

    data_format: int = api_pb2.DATA_FORMAT_CBOR

    @property
    def is_over(self) -> bool:
        """Whether it has a result or never will have one, and nothing runs for it any more."""
        has_end = self.result is not None or self.scenario is Scenario.EXPIRED
        return has_end and (self.run is None or self.run.done())

    @property
    def has_run(self) -> bool:
        """Whether its function has run to its end: it was neither stopped nor cancelled before."""
        if self.outcome is None:
            return False
        error = self.outcome.get("error")
        return error is None or error["code"] != ErrorCode.CANCELLED

    @property
    def payload(self) -> dict[str, Any]:
        """What the function is called with."""
        return self._given[0]

    @property
    def engine(self) -> str:
        """Which engine is to run."""
        return self._given[1]

    @property
    def key(self) -> str:
        """What it signs its reports with."""
        return self._given[2]

    @property
    def _given(self) -> tuple[dict[str, Any], str, str]:
        return deserialize(self.arguments, None)[0]


@dataclass
class Book:
    """Calls, what was deployed, and how to go on."""

    script: Script = field(default_factory=Script)
    slow_seconds: float = 1.0
    spread_seconds: float = 0.0
    """Slow calls take up to so much longer, each by chance."""
    late_seconds: float = 12.0
    """How long the start of a call with a late reply takes: longer than we wait for it."""
    calls: dict[str, PeerCall] = field(default_factory=dict)
    asked: int = 0
    """Requests for outputs so far."""
    looked_up: list[tuple[str, str, str]] = field(default_factory=list)
    """App, function and environment of each look-up."""
    tokens: set[tuple[str, str]] = field(default_factory=set)
    """Who has asked: token ids and secrets."""
    spawned: dict[str, str] = field(default_factory=dict)
    """Call ids by the client's idempotency key."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    """Arguments that did not fit into a request."""
    deployed: dict[str, api_pb2.Function] = field(default_factory=dict)
    images: dict[str, api_pb2.Image] = field(default_factory=dict)
    secrets: dict[str, api_pb2.SecretGetOrCreateRequest] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    made: int = 0
    """Objects made so far, for their ids."""
