"""Settings of billing: what cannot work stops the start, and says why."""

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from jobs.orchestrator import periodic
from tests.settings import read_settings

ON = {
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRETS": "whsec_1, whsec_2",
    "BILLING_RETURN_URL": "https://editor.example.com",
}
STARTER = '{"starter": {"price": "price_1", "credits": 5}}'
REFUSED = [
    ({"STRIPE_SECRET_KEY": "sk_test_1"}, "Set both STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS"),
    (
        {"STRIPE_WEBHOOK_SECRETS": "whsec_1"},
        "Set both STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS",
    ),
    (ON | {"BILLING_RETURN_URL": ""}, "BILLING_RETURN_URL must begin with https://"),
    (ON | {"STRIPE_API_URL": "stripe"}, "STRIPE_API_URL must begin with https://"),
    (
        ON | {"STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_API_URL": "http://localhost"},
        "STRIPE_SECRET_KEY would be sent unencrypted",
    ),
    (
        {"BILLING_CURRENCY": "dollars"},
        "BILLING_CURRENCY is 'dollars': use three letters, such as usd.",
    ),
    ({"BILLING_GRACE_DAYS": "-1"}, "BILLING_GRACE_DAYS must be from 0 to 60."),
    ({"BILLING_GRACE_DAYS": "61"}, "BILLING_GRACE_DAYS must be from 0 to 60."),
    ({"BILLING_PLANS": "starter"}, "BILLING_PLANS is not valid JSON"),
    ({"BILLING_PLANS": "[]"}, "BILLING_PLANS must be like"),
    ({"BILLING_PACKS": '{"small": []}'}, "BILLING_PACKS must be like"),
    ({"BILLING_PACKS": '{"small": {"price": "p"}}'}, "BILLING_PACKS: small must have a price"),
    (
        {"BILLING_PACKS": '{"small": {"price": "p q", "credits": 5}}'},
        "BILLING_PACKS: small: price must be the id",
    ),
    *(
        (
            {"BILLING_PACKS": f'{{"small": {{"price": "p", "credits": {number}}}}}'},
            "credits must be",
        )
        for number in ("0", "10000001", "true", '"5"', "1.5")
    ),
    ({"BILLING_PLANS": STARTER, "BILLING_PACKS": STARTER}, "name a price twice"),
]
TAKEN = [
    ON,
    {"BILLING_PLANS": STARTER, "BILLING_GRACE_DAYS": "60"},
    {"BILLING_PACKS": '{"small": {"price": "p", "credits": 10000000}}'},
    {"BILLING_PLANS": '{"pro": [{"price": "a", "credits": 1}, {"price": "b", "credits": 2}]}'},
]


@pytest.mark.parametrize(("variables", "why"), REFUSED)
def test_what_cannot_work_stops_the_start(variables: dict[str, str], why: str) -> None:
    with pytest.raises(ImproperlyConfigured) as stopped:
        read_settings(**variables)
    assert why in str(stopped.value)


@pytest.mark.parametrize("variables", TAKEN)
def test_what_works_is_taken(variables: dict[str, str]) -> None:
    read_settings(**variables)


def test_plans_that_there_are_not_stop_the_start(settings) -> None:
    settings.BILLING_PLANS = {"gold": [("price_1", 5)]}
    with pytest.raises(ImproperlyConfigured, match="BILLING_PLANS names gold: use starter, pro"):
        apps.get_app_config("accounts").ready()


def test_the_orchestrator_works_on_it_where_something_is_sold(settings, monkeypatch) -> None:
    monkeypatch.setattr(periodic, "WORK", [])
    settings.BILLING_PLANS = {}
    settings.STRIPE_SECRET_KEY = ""
    apps.get_app_config("accounts").ready()
    assert periodic.WORK == []
    settings.STRIPE_SECRET_KEY = "sk_test_1"
    apps.get_app_config("accounts").ready()
    result = [work.__name__ for work, _ in periodic.WORK]
    assert result == ["process_billing", "find_missed_events"]
