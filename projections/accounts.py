"""The register of accounts: who keeps them, what they are for, their limits and restrictions.

One row an account as it is now; the limits also as they were, because what was available at an earlier
position depends on them.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec

from domain.account import (
    Account,
    AccountClosed,
    AccountFrozen,
    AccountKind,
    AccountOpened,
    AccountUnfrozen,
    MinimumBalanceSet,
    OverdraftLimitSet,
    evolve,
)
from domain.event import Change
from domain.ids import account_partition
from projections.batch import Batch, Ledger
from projections.schema import account_limits, accounts
from projections.store import Session, Values, Writer, select_many

ACCOUNT_EVENTS: Final = (
    AccountOpened,
    AccountFrozen,
    AccountUnfrozen,
    OverdraftLimitSet,
    MinimumBalanceSet,
    AccountClosed,
)

_decode_tags = msgspec.json.Decoder(dict[str, str]).decode
_COLUMNS: Final = (
    "account_id, participant, kind, currency, number, overdraft_limit, minimum_balance,"
    " debits_frozen, credits_frozen, closed, version, reference, tags, created_at, updated_at"
)
_BY_ID: Final = f"SELECT {_COLUMNS} FROM accounts WHERE partition = ? AND account_id = ?"


class Accounts:
    """Keeps the register."""

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Fold the accounts' own events."""
        items = [item for item in batch.rare if isinstance(item.event, ACCOUNT_EVENTS)]
        if not items:
            return
        changed = self._load(writer, batch, {int.from_bytes(item.row.originator_id, "big") for item in items})
        limits: dict[tuple[int, int], Values] = {}
        for row, event in items:
            account_id = int.from_bytes(row.originator_id, "big")
            before, opened_position = changed.get(account_id, (None, row.position))
            after = evolve(before, Change(row.originator_id, row.originator_version, event), row.recorded_at)
            changed[account_id] = (after, opened_position)
            if not isinstance(event, AccountFrozen | AccountUnfrozen | AccountClosed):
                key = (account_id, row.position)
                limits[key] = (batch.partition, *key, after.overdraft_limit, after.minimum_balance)
        rows = [_row(batch.partition, account, position) for account, position in changed.values()]
        writer.upsert(accounts, rows)
        writer.insert(account_limits, [limits[key] for key in sorted(limits)])

    @staticmethod
    def _load(session: Session, batch: Batch, ids: Collection[int]) -> dict[int, tuple[Account, int]]:
        opened = {
            int.from_bytes(item.row.originator_id, "big")
            for item in batch.rare
            if isinstance(item.event, AccountOpened)
        }
        sql = f"SELECT {_COLUMNS}, opened_position FROM accounts WHERE partition = ? AND account_id IN ({{keys}})"
        found = select_many(session, sql, (batch.partition,), sorted(set(ids) - opened))
        return {row[0]: (_account(row[:-1]), row[-1]) for row in found}


def account_by_id(session: Session, account_id: int) -> Account | None:
    """Return an account, None when there is none."""
    found = session.one(_BY_ID, account_partition(account_id), account_id)
    return None if found is None else _account(found)


def list_accounts(
    session: Session,
    participant: str,
    *,
    kinds: Collection[AccountKind] = (),
    closed: bool | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[Account]:
    """Return the participant's accounts in the order of their ids, from the one after ``after`` on."""
    values: list[Any] = [participant, after]
    where = "participant = ? AND account_id > ?"
    if kinds:
        where += f" AND kind IN ({', '.join('?' * len(kinds))})"
        values += [kind.value for kind in kinds]
    if closed is not None:
        where += " AND closed = ?"
        values.append(int(closed))
    sql = f"SELECT {_COLUMNS} FROM accounts WHERE {where} ORDER BY account_id LIMIT ?"
    return [_account(row) for row in session.all(sql, *values, limit)]


def _row(partition: int, account: Account, opened_position: int) -> Values:
    return (
        partition,
        account.account_id,
        account.participant,
        account.kind.value,
        account.currency,
        account.number,
        account.overdraft_limit,
        account.minimum_balance,
        int(account.debits_frozen),
        int(account.credits_frozen),
        int(account.closed),
        account.version,
        account.reference,
        msgspec.json.encode(account.tags, order="sorted").decode(),
        account.created_at,
        account.updated_at,
        opened_position,
    )


def _account(row: Values) -> Account:
    account_id, participant, kind, currency, number, overdraft_limit, minimum_balance = row[:7]
    debits_frozen, credits_frozen, closed, version, reference, tags, created_at, updated_at = row[7:]
    return Account(
        account_id=account_id,
        participant=participant,
        kind=AccountKind(kind),
        currency=currency,
        number=number,
        overdraft_limit=overdraft_limit,
        minimum_balance=minimum_balance,
        reference=reference,
        tags=_decode_tags(tags),
        created_at=created_at,
        updated_at=updated_at,
        version=version,
        debits_frozen=bool(debits_frozen),
        credits_frozen=bool(credits_frozen),
        closed=bool(closed),
    )
