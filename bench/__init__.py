"""Benchmarks: what the ledger does in a second, beside what is measured in the same run for comparison."""
