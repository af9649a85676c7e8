"""Auditing: reading the log itself, deciding again what was decided, and noting who has looked."""
