"""The TCP server: a thread for each connection, one command at a time across all of them."""

import itertools
import logging
import socketserver
import threading
from datetime import UTC, datetime
from typing import Any, Final, cast

from .dispatch import execute
from .engine import Engine, Request
from .wire import Message, OpCode, ProtocolError, encode_reply, read_message

logger = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 1_000
EXPIRY_INTERVAL_SECONDS: Final = 60.0


class Connection(socketserver.StreamRequestHandler):
    """Answers one client's messages in order until it hangs up or breaks the protocol."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Read, answer, repeat."""
        server = cast("Server", self.server)
        connection_id = next(server.connection_ids)
        try:
            while (message := read_message(self.rfile)) is not None:
                reply = server.answer(message, connection_id)
                if message.expects_reply:
                    request_id = next(server.reply_ids) & 0x7FFFFFFF
                    self.wfile.write(encode_reply(message, reply, request_id=request_id))
        except ProtocolError as error:
            logger.warning("closing connection %d: %s", connection_id, error)
        except ConnectionError:
            logger.debug("connection %d was reset", connection_id)


class Server(socketserver.ThreadingTCPServer):
    """Listens, counts connections, and serialises commands on the engine."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.connection_ids = itertools.count(1)
        self.reply_ids = itertools.count(1)
        super().__init__((host, port), Connection)
        engine.address = f"{host}:{self.port}"

    @property
    def port(self) -> int:
        """The port listened on, also when a free one was asked for."""
        return int(self.server_address[1])

    def answer(self, message: Message, connection_id: int) -> dict[str, Any]:
        """The reply document to a message; waits for the commands before it."""
        if message.error is not None:
            return message.error.as_reply()
        request = Request(body=message.body, connection_id=connection_id)
        with self._lock:
            return execute(self._engine, request, legacy=message.op_code == OpCode.QUERY)

    def start(self) -> None:
        """Serve in background threads."""
        for target in (self._accept, self._expire_documents):
            threading.Thread(target=target, name=target.__name__, daemon=True).start()

    def stop(self) -> None:
        """Finish the command in progress, run none after it, and close the data."""
        self._stopping.set()
        self.shutdown()
        self.server_close()
        # Never released: whatever connections still ask for goes unanswered.
        self._lock.acquire()
        self._engine.store.close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection when there is room for it."""
        if not self._slots.acquire(blocking=False):
            logger.warning("refusing %s: %d connections are open", client_address, MAX_CONNECTIONS)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Count a connection for as long as it lasts."""
        with self._lock:
            self._engine.connections += 1
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()
            with self._lock:
                self._engine.connections -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what no connection should raise."""
        # socketserver calls this while it handles the exception.
        logger.exception("connection from %s failed", client_address)  # noqa: LOG004

    def _accept(self) -> None:
        self.serve_forever(poll_interval=0.1)

    def _expire_documents(self) -> None:
        while not self._stopping.wait(EXPIRY_INTERVAL_SECONDS):
            with self._lock:
                deleted = self._engine.store.delete_expired(datetime.now(UTC).replace(tzinfo=None))
            if deleted:
                logger.info("deleted %d expired documents", deleted)
