"""One declaration per AI feature; API, pricing, queues, chain, admin and docs follow from it."""
