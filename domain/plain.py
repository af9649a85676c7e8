"""Many plain transfers in columns, and the question whether all of them may be posted, whatever their order.

A plain transfer is a movement between two accounts and nothing more: no legs, no stated currency, no effective
time. When every account can pay all that leaves it in the whole batch without what comes in, no order of the
transfers could lead to a refusal, so none needs to be tried: the batch is decided over arrays, for a fifth of
the price. Where that cannot be said, nothing is moved, and the transfers are decided one after another.
"""

from collections.abc import Iterator, Sequence
from typing import Final, overload

import numpy as np

from domain.columns import GUARDED_KINDS, Accounts, Journal
from domain.money import MAX_BALANCE
from domain.transfer import CreateTransfer, TransferPosted

_SAFE: Final = MAX_BALANCE // 4
"""Balances and sums up to this cannot overflow 64 bits in the arithmetic below, however they are combined."""


class PlainTransfers(Sequence[CreateTransfer]):
    """Plain transfers by columns; a sequence of commands for those who ask for one of them."""

    def __init__(self, request_ids: list[bytes], posted: list[TransferPosted]) -> None:
        """Take the ids and, in the same order, the events that posting them would yield."""
        self.request_ids = request_ids
        self.posted = posted

    def __len__(self) -> int:
        return len(self.request_ids)

    @overload
    def __getitem__(self, index: int) -> CreateTransfer: ...
    @overload
    def __getitem__(self, index: slice) -> list[CreateTransfer]: ...
    def __getitem__(self, index: int | slice) -> CreateTransfer | list[CreateTransfer]:
        if isinstance(index, slice):
            return [self._command(each) for each in range(len(self))[index]]
        return self._command(index)

    def __iter__(self) -> Iterator[CreateTransfer]:
        return map(self._command, range(len(self)))

    def _command(self, index: int) -> CreateTransfer:
        posted = self.posted[index]
        return CreateTransfer(
            self.request_ids[index],
            posted.debit_account,
            posted.credit_account,
            posted.amount,
            kind=posted.kind,
            reference=posted.reference,
        )


def debited(transfers: Sequence[CreateTransfer]) -> set[int]:
    """Return the accounts that money leaves by these transfers and their legs."""
    if isinstance(transfers, PlainTransfers):
        return {posted.debit_account for posted in transfers.posted}
    accounts = {transfer.debit_account for transfer in transfers}
    for transfer in transfers:
        accounts.update(leg.debit_account for leg in transfer.legs)
    return accounts


def try_move_all(transfers: Sequence[TransferPosted], accounts: Accounts, journal: Journal) -> bool:
    """Move all of a batch's money where no order of its transfers could be refused; else move nothing.

    Every transfer debits one account and credits another one, by 1 to 10^15 tyiyn; there are at most 8,190.
    """
    count = len(transfers)
    debits = np.fromiter((each.debit_account for each in transfers), np.int64, count) - accounts.base
    credits_ = np.fromiter((each.credit_account for each in transfers), np.int64, count) - accounts.base
    amounts = np.fromiter((each.amount for each in transfers), np.int64, count)
    both = np.concatenate((debits, credits_))
    if both.min() <= 0 or both.max() > len(accounts) or int(amounts.sum()) > _SAFE:
        return False
    if accounts.view("restrictions")[both].any():
        return False
    currency = accounts.view("currency")
    if (currency[debits] != currency[credits_]).any():
        return False
    touched, place = np.unique(both, return_inverse=True)
    leaving = np.zeros(len(touched), np.int64)
    arriving = np.zeros(len(touched), np.int64)
    np.add.at(leaving, place[:count], amounts)
    np.add.at(arriving, place[count:], amounts)
    posted, held = accounts.view("posted")[touched], accounts.view("held")[touched]
    if max(np.abs(posted).max(), held.max()) > _SAFE:
        return False
    spendable = posted - held + accounts.view("overdraft_limit")[touched] - accounts.view("minimum_balance")[touched]
    if (GUARDED_KINDS[accounts.view("kind")[touched]] & (leaving > spendable)).any():
        return False
    journal.append((accounts, touched, posted))
    accounts.view("posted")[touched] = posted - leaving + arriving
    return True
