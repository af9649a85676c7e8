"""Examples of the events of transfers between partitions, least and full."""

from typing import Any

from domain.account import AccountKind, AccountOpened
from domain.crossing import TransferCompleted, TransferReceived, TransferRejected, TransferReturned, TransferSent
from domain.event import Event, Leg
from tests.ledger.log.golden_values import FINGERPRINT, ID, MONEY, TIME

_THERE = 1 << 40 | 2
_MAIN: dict[str, Any] = {"debit_account": 2, "credit_account": _THERE, "amount": MONEY, "currency": "KGS"}
_MORE: dict[str, Any] = {"kind": "rent", "reference": "March", "tags": {"flat": "7"}, "effective_time": TIME}

CROSSING_EXAMPLES: dict[type[Event], tuple[Event, Event]] = {
    TransferSent: (
        TransferSent(**_MAIN, legs=(Leg("transfer", 2, 1, MONEY),)),
        TransferSent(**_MAIN, legs=(Leg("rent", 2, 1, MONEY),), currency_named=True, **_MORE),
    ),
    TransferReceived: (
        TransferReceived(transfer=ID, home=0, sent_at=TIME, legs=(Leg("transfer", 1, _THERE, MONEY),), **_MAIN),
        TransferReceived(
            transfer=ID,
            home=3,
            sent_at=TIME,
            legs=(Leg("rent", 1, _THERE, MONEY),),
            fingerprint=FINGERPRINT,
            **_MAIN,
            **_MORE,
        ),
    ),
    TransferRejected: (
        TransferRejected(transfer=ID, home=0, sent_at=TIME, reason="ACCOUNT_CLOSED", **_MAIN),
        TransferRejected(
            transfer=ID,
            home=3,
            sent_at=TIME,
            reason="ACCOUNT_CLOSED",
            detail={"account_id": str(_THERE)},
            fingerprint=FINGERPRINT,
            **_MAIN,
            **_MORE,
        ),
    ),
    TransferCompleted: (TransferCompleted(position=7), TransferCompleted(position=7, fingerprint=FINGERPRINT)),
    TransferReturned: (
        TransferReturned(position=7, reason="ACCOUNT_CLOSED", legs=(Leg("reversal", 1, 2, MONEY),)),
        TransferReturned(
            position=7,
            reason="ACCOUNT_CLOSED",
            detail={"account_id": str(_THERE)},
            legs=(Leg("reversal", 1, 2, MONEY),),
            fingerprint=FINGERPRINT,
        ),
    ),
}

RESERVED: dict[type[Event], dict[str, Event]] = {
    AccountOpened: {
        "reserved": AccountOpened(
            participant="esep", kind=AccountKind.CLEARING, currency="KGS", fingerprint=FINGERPRINT, reserved=True
        )
    },
}
"""Clearing accounts as they are opened since nobody but the ledger may use them."""
