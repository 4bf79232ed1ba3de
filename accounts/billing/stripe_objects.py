"""The parts of Stripe's objects that we read, as Pydantic models."""

from decimal import Decimal
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import BaseModel, BeforeValidator, Field

from accounts.billing.models import MAX_ID_LENGTH
from gpu_tasks.runtime.errors import AuteurError


def _extract_id(value: Any) -> Any:
    """Return the id of an object that Stripe sends either as its id or expanded."""
    return value.get("id") if isinstance(value, dict) else value


Id = Annotated[str, Field(pattern=r"^[\w-]+$", max_length=MAX_ID_LENGTH)]
Reference = Annotated[Id, BeforeValidator(_extract_id)]
Amount = Annotated[int, Field(ge=-(10**15), le=10**15)]
"""An amount of money in the smallest unit of its currency."""
Seconds = Annotated[int, Field(ge=0, le=253_402_300_799)]
"""A Unix time in seconds, up to the end of the year 9999."""
Currency = Annotated[str, Field(pattern="^[a-z]{3}$")]


class UnreadableError(AuteurError):
    """An object from Stripe does not match our model of it."""


Contract = TypeVar("Contract", bound=BaseModel)


def parse_object(contract: type[Contract], stripe_object: Any) -> Contract:
    """Return an object of Stripe's library as a model; raises ``UnreadableError``."""
    try:
        return contract.model_validate(stripe_object.to_dict())
    except pydantic.ValidationError as exc:
        # The message has no values, because they may be personal data.
        fields = {".".join(map(str, error["loc"])) for error in exc.errors(include_input=False)}
        raise UnreadableError(f"{contract.__name__}: {', '.join(sorted(fields))}") from None


class _Subject(BaseModel):
    id: Id | None = None
    object: str = ""
    customer: Annotated[Id | None, BeforeValidator(_extract_id)] = None


class _Data(BaseModel):
    object: _Subject


class Event(BaseModel):
    """That something happened; not how things stand since."""

    id: Annotated[str, Field(pattern=r"^evt_\w+$", max_length=MAX_ID_LENGTH)]
    type: Annotated[str, Field(pattern=r"^[\w.]+$", max_length=100)]
    created: Seconds
    livemode: bool
    data: _Data

    @property
    def object_id(self) -> str:
        return self.data.object.id or ""

    @property
    def customer_id(self) -> str:
        subject = self.data.object
        return (subject.id if subject.object == "customer" else subject.customer) or ""


class Price(BaseModel):
    """What one unit costs; nothing where that depends on how many there are."""

    id: Id
    currency: Currency
    unit_amount_decimal: Decimal | None = None


class _Item(BaseModel):
    price: Price
    current_period_start: Seconds
    current_period_end: Seconds


class _Items(BaseModel):
    data: list[_Item]


class Subscription(BaseModel):
    """Somebody's plan, as Stripe bills it."""

    id: Id
    status: str
    cancel_at_period_end: bool = False
    cancel_at: Seconds | None = None
    items: _Items


class Invoice(BaseModel):
    """What was billed.

    Balances are the customer's at Stripe, below zero where it owes them money, before and after
    the invoice; the latter is null in a draft.
    """

    id: Id
    status: str | None
    customer: Reference | None
    currency: Currency
    amount_paid: Annotated[Amount, Field(ge=0)]
    starting_balance: Amount
    ending_balance: Amount | None


class _Period(BaseModel):
    start: Seconds
    end: Seconds


class _PriceDetails(BaseModel):
    price: Reference


class _Pricing(BaseModel):
    price_details: _PriceDetails | None = None


class Line(BaseModel):
    """A line of an invoice; ``amount`` is below zero where an unused time is credited."""

    amount: Amount
    period: _Period
    pricing: _Pricing | None = None

    @property
    def price(self) -> str | None:
        details = self.pricing and self.pricing.price_details
        return details.price if details else None


class _PaymentReference(BaseModel):
    payment_intent: Reference | None = None


class InvoicePayment(BaseModel):
    """By what an invoice was paid."""

    invoice: Reference
    payment: _PaymentReference


class Charge(BaseModel):
    """Money that moved; ``disputed`` also where that is over."""

    amount_refunded: Annotated[Amount, Field(ge=0)]
    disputed: bool


class PaymentIntent(BaseModel):
    """A payment, with its last charge."""

    id: Id
    status: str
    customer: Reference | None
    currency: Currency
    amount_received: Annotated[Amount, Field(ge=0)]
    metadata: dict[str, str] = {}
    latest_charge: Charge | None = None


class _InvoiceSettings(BaseModel):
    default_payment_method: Annotated[Id | None, BeforeValidator(_extract_id)] = None


class Customer(BaseModel):
    """By what a customer pays, if they have said so."""

    invoice_settings: _InvoiceSettings = _InvoiceSettings()


class Dispute(BaseModel):
    """That somebody's bank wants its money back."""

    amount: Annotated[Amount, Field(ge=0)]
    status: str


class OfPayment(BaseModel):
    """A charge, refund, dispute or session, by the payment that it belongs to."""

    payment_intent: Reference | None = None


class Page(BaseModel):
    """A page of Stripe's to send somebody to."""

    url: Annotated[str, Field(pattern="^https?://", max_length=5000)]


class Created(BaseModel):
    """What was made."""

    id: Id


class CustomerRecord(Created):
    """A customer, and what we wrote on them when they were created. Deleted ones have no more."""

    created: Seconds = 0
    metadata: dict[str, str] = {}
    deleted: bool = False
