"""A server of Stripe's shape: its API by HTTP, and messages signed as Stripe signs them."""

import hashlib
import hmac
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.accounts.billing.stripe_world import Object, World, listed

KEY = "sk_test_local"
AWAY: Object = {"error": {"type": "api_error", "message": "away"}}


class Api:
    """Answers requests about a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def answer(self, method: str, target: str, body: bytes, key: str) -> tuple[int, Object]:
        """Of a request: its status and object."""
        url = urlsplit(target)
        self.world.asked.append(f"{method} {url.path}")
        if self.world.is_away:
            return 503, AWAY
        if method == "DELETE":  # a subscription is cancelled
            subscription = self.world.objects.get(url.path.rpartition("/")[2])
            if subscription is None or subscription["status"] == "canceled":
                return missing(url.path)
            self.world.cancel(subscription)
            return 200, subscription
        if method == "POST":
            return self._once(url.path, body, key)
        return self._get(url.path, nested(parse_qsl(url.query)))

    def _once(self, path: str, body: bytes, key: str) -> tuple[int, Object]:
        asked = path.encode() + body
        key = key or uuid.uuid4().hex
        if key not in self.world.answers:
            self.world.answers[key] = (
                asked,
                *self._post(path, nested(parse_qsl(body.decode(), keep_blank_values=True))),
            )
        earlier, status, answer = self.world.answers[key]
        if earlier != asked:
            return 400, {"error": {"type": "idempotency_error", "message": "other request"}}
        return (503, AWAY) if self.world.loses_answers else (status, answer)

    def _post(self, path: str, asked: Object) -> tuple[int, Object]:
        if path == "/v1/customers":
            return 200, self.world.customer(**asked)
        if path == "/v1/checkout/sessions":
            session = self.world.add(
                "cs", "checkout.session", status="open", payment_status="unpaid"
            )
            session |= {"mode": asked["mode"], "customer": asked["customer"], "asked": asked}
            session["url"] = f"https://checkout.stripe.com/c/pay/{session['id']}"
            return 200, session
        if path == "/v1/billing_portal/sessions":
            session = self.world.add("bps", "billing_portal.session", customer=asked["customer"])
            session["url"] = f"https://billing.stripe.com/p/session/{session['id']}"
            return 200, session
        if path == "/v1/payment_intents":
            return self._charge(asked)
        if path.startswith("/v1/subscriptions/"):
            return self._change_subscription(path, asked)
        return missing(path)

    def _change_subscription(self, path: str, asked: Object) -> tuple[int, Object]:
        subscription = self.world.objects.get(path.rpartition("/")[2])
        if subscription is None:
            return missing(path)
        if subscription["status"] == "canceled":
            message = "A canceled subscription can only update its cancellation_details."
            return 400, {"error": {"type": "invalid_request_error", "message": message}}
        subscription["cancel_at_period_end"] = asked["cancel_at_period_end"] == "true"
        result = subscription["metadata"] | asked.get("metadata", {})
        subscription["metadata"] = {name: value for name, value in result.items() if value}
        self.world.tell("customer.subscription.updated", subscription)
        return 200, subscription

    def _charge(self, asked: Object) -> tuple[int, Object]:
        if asked.get("automatic_payment_methods", {}).get("allow_redirects") != "never":
            message = "This PaymentIntent may lead elsewhere: you must provide a `return_url`."
            return 400, {"error": {"type": "invalid_request_error", "message": message}}
        if self.world.declines:
            error = {"type": "card_error", "code": "card_declined", "message": "No."}
            return 402, {"error": error | {"decline_code": "insufficient_funds"}}
        payment = self.world.pay(asked["customer"], int(asked["amount"]), asked["metadata"])
        payment |= {"payment_method": asked["payment_method"]}
        if self.world.pays_at_once:
            self.world.tell("payment_intent.succeeded", payment)
        else:
            payment["status"] = "processing"
        return 200, self._expanded(payment, asked)

    def _get(self, path: str, asked: Object) -> tuple[int, Object]:
        parts = path.removeprefix("/v1/").removeprefix("checkout/").split("/")
        if parts[-1] == "lines":
            return 200, self._page(self.world.objects[parts[1]]["lines"]["data"], asked, path)
        if parts[-1] == "search":  # customers, by one of their metadata
            name, value = re.fullmatch(r"metadata\['(\w+)'\]:'([\w-]+)'", asked["query"]).groups()
            rows = [
                row for row in self.world.all_of("customer") if row["metadata"].get(name) == value
            ]
            return 200, self._page(rows, asked, path) | {"object": "search_result"}
        if parts[-1] == "payment_methods":
            asked["customer"] = parts[1]
            methods = [one for one in self.world.all_of("payment_method") if matches(one, asked)]
            return 200, self._page(methods, asked, path)
        if len(parts) == 2:
            one = self.world.objects.get(parts[1])
            return (200, self._expanded(one, asked)) if one else missing(parts[1])
        if parts[0] == "subscriptions" and asked["customer"] not in self.world.objects:
            return missing(asked["customer"])
        kind = parts[0].removesuffix("s")
        result = [item for item in self.world.all_of(kind) if matches(item, asked)]
        return 200, self._page(result, asked, path)

    def _expanded(self, result: Object, asked: Object) -> Object:
        wanted = [name.removeprefix("data.") for name in asked.get("expand", {}).values()]
        return result | {
            name: self.world.objects[result[name]] for name in wanted if result.get(name)
        }

    def _page(self, result: list[Object], asked: Object, path: str) -> Object:
        ids = [item["id"] for item in result]
        start = ids.index(asked["starting_after"]) + 1 if "starting_after" in asked else 0
        end = start + int(asked.get("limit", 10))
        output = [self._expanded(item, asked) for item in result[start:end]]
        return listed(output, has_more=end < len(result), url=path)


def nested(pairs: list[tuple[str, str]]) -> Object:
    """A form as Stripe reads it: ``a[b]=c`` is ``{"a": {"b": "c"}}``."""
    result: Object = {}
    for name, value in pairs:
        *path, last = name.replace("]", "").split("[")
        place = result
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return result


def matches(one: Object, asked: Object) -> bool:
    """Whether a list that was asked for holds this."""
    if one["object"] == "subscription" and "status" not in asked and one["status"] == "canceled":
        return False
    if one["object"] == "event":
        since = int(asked.get("created", {}).get("gte", 0))
        types = asked.get("types", {}).values()
        return one["created"] >= since and (not types or one["type"] in types)
    paid_by = asked.get("payment", {}).get("payment_intent")
    if paid_by and one["payment"]["payment_intent"] != paid_by:
        return False
    names = ("customer", "invoice", "payment_intent", "status")
    return all(str(one[name]) == asked[name] for name in names if name in asked)


def missing(what: str) -> tuple[int, Object]:
    """A 404 of Stripe's."""
    message = f"No such object: {what}"
    error = {"type": "invalid_request_error", "code": "resource_missing", "message": message}
    return 404, {"error": error}


def signed(body: bytes, *secrets: str, at: float | None = None) -> str:
    """The header of a message: signed now, or then, with one secret or, in rotation, two."""
    seconds = int(time.time() if at is None else at)
    message = f"{seconds}.".encode() + body
    signatures = [
        hmac.new(secret.encode(), message, hashlib.sha256).hexdigest() for secret in secrets
    ]
    return ",".join([f"t={seconds}", *(f"v1={secret}" for secret in signatures)])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one segment
    api: Api

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers["Authorization"] != f"Bearer {KEY}":
            status, answer = 401, {"error": {"type": "invalid_request_error", "message": "key"}}
        else:
            key = self.headers.get("Idempotency-Key", "")
            status, answer = self.api.answer(self.command, self.path, body, key)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def served(world: World) -> Iterator[str]:
    """Serve a world; gives its address."""
    handler = type("Handler", (_Handler,), {"api": Api(world)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
