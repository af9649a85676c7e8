"""Benchmarks: what the ledger does in a second, beside what is measured in the same run for comparison."""

import os

# Read by gRPC when it is imported. With it, every program started beside an open channel is remarked upon on stderr.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
