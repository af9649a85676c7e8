"""A history as files that need no ledger: made, continued, extended and read."""
