"""The ledger's own client without its retries, ids for requests, and what a failed call was answered.

Demonstration and tests keep a journal of what was answered and what was not, so they send again by themselves.
"""

import os
import time
from collections.abc import Mapping
from typing import Final, NamedTuple, cast
from uuid import UUID

import grpc

from ledger.rpc.client import Ledger, reason
from protos.esep.v1.common_pb2 import LogPosition, Receipt

CHANNEL_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_retries", 0),
)


def connect_plainly(address: str) -> Ledger:
    """Return a connection that sends every request once."""
    return Ledger(grpc.insecure_channel(address, CHANNEL_OPTIONS), caller="")


class Answer(NamedTuple):
    """Why a call failed: the reason's name (the gRPC code's, where the server sent none), and what explains it."""

    reason: str
    message: str
    metadata: Mapping[str, str]

    @property
    def position(self) -> int:
        """Where the refusal is recorded; 0 when nothing was recorded, and the same id may be tried again."""
        return int(self.metadata.get("position", "0"))

    @property
    def partition(self) -> int:
        """The partition of the position."""
        return int(self.metadata.get("partition", "0"))


def answer_of(error: grpc.RpcError) -> Answer:
    """Return what a failed call was answered."""
    call = cast("grpc.Call", error)  # Every error of a call is one; only the annotations do not say so.
    info = reason(call)
    if info is None:
        return Answer(call.code().name, call.details() or "", {})
    return Answer(info.reason, call.details() or "", dict(info.metadata))


def new_id() -> str:
    """Return a fresh request id: a UUIDv7 (RFC 9562), because time-ordered ids keep the ledger's index small."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))


def position_of(receipt: Receipt) -> LogPosition:
    """Return the place that a read must reflect to show a write."""
    return LogPosition(partition=receipt.partition, position=receipt.position)
