"""What is kept of an atomic batch that was refused: its transfers, so that the refusal can be decided again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Self
from uuid import UUID

import msgspec

from domain.event import Leg

if TYPE_CHECKING:
    from domain.transfer import CreateTransfer

MOST_KEPT: Final = 2 << 20
"""Bytes that the transfers of a refused batch may take up in its event: what reads events takes 4 MiB at a time."""


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A transfer of a batch that was refused: all that was asked for."""

    request_id: UUID
    debit_account: int
    credit_account: int
    amount: int
    currency: str = ""
    kind: str = "transfer"
    reference: str = ""
    tags: dict[str, str] = {}
    legs: tuple[Leg, ...] = ()
    effective_time: int | None = None

    @classmethod
    def of(cls, transfer: "CreateTransfer") -> Self:
        """Return what was asked for by a command."""
        content = msgspec.structs.asdict(transfer)
        return cls(**{**content, "request_id": UUID(bytes=transfer.request_id)})


def asked(transfers: Sequence["CreateTransfer"]) -> tuple[Asked, ...]:
    """Return what is kept of a refused batch: every transfer, or none when they are too long."""
    kept = tuple(map(Asked.of, transfers))
    return kept if len(msgspec.json.encode(kept)) <= MOST_KEPT else ()
