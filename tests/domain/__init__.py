"""The rules, tested without an engine."""
