"""Verifying a whole history, trusting nobody: each check in a file of its own, and the report of all."""
