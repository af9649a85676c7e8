"""A ledger made a second time, without any of the product."""
