"""The rules of the ledger: pure functions over values, with no clock, randomness or I/O."""
