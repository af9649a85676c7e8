"""Signed checkpoints of a history, the keys that sign them, and proofs that lead to and between them."""
