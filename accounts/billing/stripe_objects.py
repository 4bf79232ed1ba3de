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
    """An event of Stripe. It names an object, whose current state must be read from Stripe."""

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
    """A price. ``unit_amount_decimal`` is None if the amount depends on the quantity."""

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
    """A customer's subscription."""

    id: Id
    status: str
    cancel_at_period_end: bool = False
    cancel_at: Seconds | None = None
    items: _Items


class Invoice(BaseModel):
    """An invoice.

    The balances are the customer's at Stripe before and after the invoice, negative if Stripe owes
    them money. A draft has no ``ending_balance``.
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
    """A line of an invoice. ``amount`` is negative if it credits unused time."""

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
    """The payment of an invoice."""

    invoice: Reference
    payment: _PaymentReference


class Charge(BaseModel):
    """A charge. ``disputed`` stays True when the dispute has ended."""

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
    """A customer with their default payment method, if they have set one."""

    invoice_settings: _InvoiceSettings = _InvoiceSettings()


class Dispute(BaseModel):
    """A dispute, in which the payer's bank claims the money back."""

    amount: Annotated[Amount, Field(ge=0)]
    status: str


class PaymentPart(BaseModel):
    """A charge, refund, dispute or session, with the payment that it belongs to."""

    payment_intent: Reference | None = None


class Page(BaseModel):
    """A page at Stripe to which a user is sent."""

    url: Annotated[str, Field(pattern="^https?://", max_length=5000)]


class Created(BaseModel):
    """A created object, of which only the id is read."""

    id: Id


class CustomerRecord(Created):
    """A customer with the metadata that we stored at creation. Deleted customers have none."""

    created: Seconds = 0
    metadata: dict[str, str] = {}
    deleted: bool = False
