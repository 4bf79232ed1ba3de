"""What happens at Stripe: objects as its API has them, and what customers and banks do to them.

Shapes are those of the API's version that the library pins; only what nobody could miss is left
out. `stripe_server` answers requests about them.
"""

import json
import time
import uuid
from itertools import count
from typing import Any

DAY = 24 * 3600
MONTH = 30 * DAY
Object = dict[str, Any]


def listed(data: list[Object], **more: Any) -> Object:
    """A list of objects, all of it unless more is said."""
    return {"object": "list", "data": data, "has_more": False, "url": "/v1/list"} | more


class World:
    """All objects, and the events that they brought about."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.events: list[Object] = []
        self.asked: list[str] = []
        self.is_away = False
        self.declines = False
        self.pays_at_once = True
        self.loses_answers = False
        self.now = int(time.time())
        self.answers: dict[str, tuple[bytes, int, Object]] = {}
        self._numbers = count(1)
        self._run = uuid.uuid4().hex[:8]

    # What is there

    def add(self, prefix: str, kind: str, **fields: Any) -> Object:
        """A new object."""
        result = {
            "id": f"{prefix}_{self._run}{next(self._numbers):06}",
            "object": kind,
            "created": self.now,
            "livemode": False,
            "metadata": {},
        } | fields
        self.objects[result["id"]] = result
        return result

    def all_of(self, kind: str) -> list[Object]:
        """All objects of a kind, the newest first."""
        return [item for item in reversed(self.objects.values()) if item["object"] == kind]

    def tell(self, kind: str, about: Object) -> Object:
        """An event, with a snapshot of what it is about."""
        event = self.add("evt", "event", type=kind, api_version="2026-10-28.endive")
        event |= {"data": {"object": json.loads(json.dumps(about))}, "pending_webhooks": 1}
        event["request"] = {"id": None, "idempotency_key": None}
        self.events.append(event)
        return event

    def price(self, price_id: str, amount: int) -> Object:
        """Something on sale."""
        result = self.add(
            "price",
            "price",
            currency="usd",
            unit_amount=amount,
            unit_amount_decimal=str(amount),
            active=True,
        )
        result["id"] = price_id
        self.objects[price_id] = result
        return result

    def customer(self, **fields: Any) -> Object:
        """A customer."""
        return self.add("cus", "customer", **{"email": None, "name": None, "balance": 0} | fields)

    # What customers do

    def subscribe(self, customer: str, price: str) -> Object:
        """Begin a plan, and pay for its first period."""
        subscription = self.add(
            "sub",
            "subscription",
            customer=customer,
            status="active",
            cancel_at_period_end=False,
            cancel_at=None,
            currency="usd",
            collection_method="charge_automatically",
        )
        subscription["items"] = listed([self._item(price, self.now)])
        self.tell("customer.subscription.created", subscription)
        self.bill(subscription, [self._line(price, self.now, self.now + MONTH)])
        return subscription

    def _item(self, price: str, start: int) -> Object:
        return {
            "id": f"si_{self._run}{next(self._numbers):06}",
            "object": "subscription_item",
            "price": self.objects[price],
            "quantity": 1,
            "current_period_start": start,
            "current_period_end": start + MONTH,
        }

    def _line(self, price: str, start: int, end: int, amount: int | None = None) -> Object:
        is_proration = amount is not None
        unit = self.objects[price]["unit_amount"]
        return {
            "id": f"il_{self._run}{next(self._numbers):06}",
            "object": "line_item",
            "amount": unit if amount is None else amount,
            "currency": "usd",
            "description": "1 x plan",
            "period": {"start": start, "end": end},
            "quantity": 1,
            "pricing": {
                "type": "price_details",
                "price_details": {"price": price, "product": "prod_plan"},
                "unit_amount_decimal": str(unit),
            },
            "parent": {
                "type": "subscription_item_details",
                "subscription_item_details": {"proration": is_proration},
            },
        }

    def bill(
        self,
        subscription: Object,
        lines: list[Object],
        *,
        currency: str = "usd",
        discount: int = 0,
    ) -> Object:
        """An invoice that is paid at once, from the customer's balance first.

        What it has to pay out goes to that balance, which is below zero where the customer has
        money there.
        """
        total = sum(line["amount"] for line in lines) - discount
        customer = self.objects[subscription["customer"]]
        before = customer["balance"]
        customer["balance"] = min(0, before + total)
        due = max(0, before + total)
        invoice = self.add(
            "in",
            "invoice",
            customer=subscription["customer"],
            status="paid",
            currency=currency,
            amount_due=due,
            amount_paid=due,
            total=total,
            starting_balance=before,
            ending_balance=customer["balance"],
            parent={
                "type": "subscription_details",
                "subscription_details": {"subscription": subscription["id"]},
            },
        )
        invoice["lines"] = listed(lines)
        if due:
            payment = self.pay(subscription["customer"], due, {}, currency=currency)
            self.add(
                "inpay",
                "invoice_payment",
                invoice=invoice["id"],
                status="paid",
                amount_paid=due,
                currency=currency,
                payment={"type": "payment_intent", "payment_intent": payment["id"]},
            )
            self.tell("payment_intent.succeeded", payment)
        self.tell("invoice.paid", invoice)
        return invoice

    def pay(
        self, customer: str | None, amount: int, metadata: Object, *, currency: str = "usd"
    ) -> Object:
        """Money that comes."""
        payment = self.add(
            "pi",
            "payment_intent",
            customer=customer,
            amount=amount,
            amount_received=amount,
            currency=currency,
            status="succeeded",
            metadata=dict(metadata),
        )
        charge = self.add(
            "ch",
            "charge",
            customer=customer,
            payment_intent=payment["id"],
            amount=amount,
            amount_captured=amount,
            amount_refunded=0,
            currency=currency,
            disputed=False,
            paid=True,
            refunded=False,
            status="succeeded",
            billing_details={"name": "Ada Lovelace", "email": "ada@example.com"},
            payment_method_details={"card": {"brand": "visa", "last4": "4242"}, "type": "card"},
        )
        payment["latest_charge"] = charge["id"]
        return payment

    def complete(self, session: Object) -> Object:
        """Pay on the page of a session; returns the subscription or payment that came of it."""
        price = session["asked"]["line_items"]["0"]["price"]
        customer = session["customer"]
        if session["mode"] == "subscription":
            result = self.subscribe(customer, price)
            session |= {"subscription": result["id"], "payment_intent": None}
        else:
            results = session["asked"]["payment_intent_data"]["metadata"]
            result = self.pay(customer, self.objects[price]["unit_amount"], results)
            session["payment_intent"] = result["id"]
            self.tell("payment_intent.succeeded", result)
        session |= {"status": "complete", "payment_status": "paid"}
        self.tell("checkout.session.completed", session)
        return result

    def change_price(self, subscription: Object, price: str) -> None:
        """Change the plan in the middle of a period, and settle the difference at once."""
        item = subscription["items"]["data"][0]
        end, half = item["current_period_end"], MONTH // 2
        old = item["price"]
        new = self.objects[price]
        item["price"] = new
        self.tell("customer.subscription.updated", subscription)
        lines = [
            self._line(old["id"], end - half, end, -old["unit_amount"] // 2),
            self._line(price, end - half, end, new["unit_amount"] // 2),
        ]
        self.bill(subscription, lines)

    # What Stripe and banks do

    def renew(self, subscription: Object) -> Object:
        """The next period, paid."""
        item = subscription["items"]["data"][0]
        start = item["current_period_end"]
        item |= {"current_period_start": start, "current_period_end": start + MONTH}
        subscription["status"] = "active"
        self.tell("customer.subscription.updated", subscription)
        return self.bill(subscription, [self._line(item["price"]["id"], start, start + MONTH)])

    def fail_to_renew(self, subscription: Object) -> None:
        """The next period, which is not paid."""
        item = subscription["items"]["data"][0]
        start = item["current_period_end"]
        item |= {"current_period_start": start, "current_period_end": start + MONTH}
        subscription["status"] = "past_due"
        invoice = self.add(
            "in",
            "invoice",
            customer=subscription["customer"],
            status="open",
            currency="usd",
            amount_paid=0,
            starting_balance=0,
            ending_balance=0,
        )
        self.tell("invoice.payment_failed", invoice)
        self.tell("customer.subscription.updated", subscription)

    def cancel(self, subscription: Object) -> None:
        """End it now."""
        subscription["status"] = "canceled"
        self.tell("customer.subscription.deleted", subscription)

    def payment_of(self, invoice: Object) -> Object:
        """By what an invoice was paid."""
        (paid,) = [
            item for item in self.all_of("invoice_payment") if item["invoice"] == invoice["id"]
        ]
        return self.objects[paid["payment"]["payment_intent"]]

    def charge_of(self, payment: Object) -> Object:
        """The money of a payment."""
        return self.objects[payment["latest_charge"]]

    def refund(self, payment: Object, amount: int | None = None) -> Object:
        """Give money back: all that is left, or so much."""
        charge = self.charge_of(payment)
        amount = charge["amount"] - charge["amount_refunded"] if amount is None else amount
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        refund = self.add(
            "re",
            "refund",
            amount=amount,
            charge=charge["id"],
            payment_intent=payment["id"],
            status="succeeded",
        )
        self.tell("refund.created", refund)
        self.tell("charge.refunded", charge)
        return refund

    def fail_refund(self, refund: Object) -> None:
        """The bank did not take it: the money is ours again."""
        refund["status"] = "failed"
        charge = self.objects[refund["charge"]]
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        self.tell("refund.failed", refund)

    def dispute(self, payment: Object) -> Object:
        """The bank takes all of a payment back, until it is decided."""
        charge = self.charge_of(payment)
        charge["disputed"] = True
        dispute = self.add(
            "dp",
            "dispute",
            amount=charge["amount"],
            charge=charge["id"],
            payment_intent=payment["id"],
            reason="fraudulent",
            status="needs_response",
        )
        self.tell("charge.dispute.created", dispute)
        self.tell("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def decide(self, dispute: Object, status: str) -> None:
        """``won`` or ``lost``."""
        dispute["status"] = status
        self.tell("charge.dispute.closed", dispute)
