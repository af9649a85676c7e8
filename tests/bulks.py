"""Bulks for tests: the columns of some legs, the command that asks for them, and the event that records them."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from domain.bulk import BulkPosted, PostBulk
from domain.legs import STORED

Asked = tuple[int, int, int]
"""Who pays, who is paid, and how much."""


def column(numbers: Iterable[int]) -> bytes:
    """Return numbers as a column."""
    return np.fromiter(numbers, STORED).tobytes()


def post_bulk(*legs: Asked, **fields: Any) -> PostBulk:
    """Return the command for these legs."""
    debits, credits_, amounts = map(column, zip(*legs, strict=True))
    return PostBulk(debit_account_ids=debits, credit_account_ids=credits_, amounts_tyiyn=amounts, **fields)


def bulk_posted(*legs: Asked, **fields: Any) -> BulkPosted:
    """Return the event for these legs."""
    debits, credits_, amounts = map(column, zip(*legs, strict=True))
    columns: dict[str, Any] = {"debit_accounts": debits, "credit_accounts": credits_, "amounts": amounts}
    return BulkPosted(count=len(legs), currency="KGS", **columns, **fields)
