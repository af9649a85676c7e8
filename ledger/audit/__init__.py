"""Auditing: reading the log itself, deciding again what was decided, proving it without being trusted."""
