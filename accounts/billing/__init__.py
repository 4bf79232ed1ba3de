"""What Stripe sells for us: plans and packs of credits (docs/billing.md, docs/decisions/0038)."""
