"""Sale of plans and packs of credits through Stripe (docs/billing.md, docs/decisions/0038)."""
