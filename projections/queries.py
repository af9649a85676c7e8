"""Every question the projections answer, for the server to ask from many threads.

Each is answered within one state of the tables, and says which positions that state reflects. Times that
decide what has lapsed are handed in. The hot ones, the balance and the mini-statement, are one and four
prepared statements along indexes.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from domain.account import Account, AccountKind
from domain.authorization import State
from domain.ids import account_partition
from domain.limits import Used
from domain.participant import Participant
from domain.ports import Left
from domain.proposal import ProposalState
from domain.rules import Operation
from projections import (
    accounts,
    authorizations,
    balances,
    figures,
    outbox,
    participants,
    periods,
    proposals,
    resources,
    times,
    transfers,
    usage,
)
from projections import credits as credits_
from projections.answers import (
    Answer,
    AsOf,
    AtPosition,
    AuthorizationRecord,
    Axis,
    Balance,
    Cursor,
    Figures,
    LineCursor,
    Located,
    MiniStatement,
    NoticeList,
    NoticePage,
    Overview,
    PositionInFutureError,
    RecordCursor,
    Statement,
    TrialBalanceLine,
    Wanted,
)
from projections.mini_statements import mini_statement
from projections.resources import Found, Kind
from projections.schema import CURRENT
from projections.store import ProjectionsNotReadyError, Session, Store, open_store
from projections.tiles import TileTree

T = TypeVar("T")

_POSITIONS = "SELECT partition, position FROM tracking"


class Reader:
    """Asks the live copy of the tables. Safe to use from several threads.

    Every method may raise ProjectionsNotReadyError before the runner has made the tables for the first time.
    """

    def __init__(self, database: str | Store) -> None:
        """Take the url of the log's database, beside which the tables stand, or an open store of them."""
        self._store = open_store(database) if isinstance(database, str) else database

    def within(self, left: Left) -> AbstractContextManager[None]:
        """Bound this thread's questions for the length of a block; ``left`` tells how many seconds are left.

        A question for which there is no time raises QuestionOutOfTimeError.
        """
        return self._store.within(left)

    def prompt(self) -> "Reader | None":
        """Return a reader for a thread that must not wait; None where every question waits for another process.

        Where it would have to wait for a lock it raises ProjectionsUnreachableError. It is closed with this one.
        """
        store = self._store.prompt()
        return None if store is None else Reader(store)

    def close(self) -> None:
        """Close every connection."""
        self._store.close()

    def position(self, partition: int = 0) -> int:
        """Return the position that answers about a partition reflect now."""
        sql = "SELECT position FROM tracking WHERE partition = ?"
        found = self._store.question(lambda session: session.one(sql, partition))
        return found[0] if found else self.positions().get(partition, 0)

    def positions(self) -> dict[int, int]:
        """Return the position of every partition that has events."""
        return self._answer(lambda _session, _positions: None).positions

    def over_tiles(self, partition: int, size: int, work: Callable[[TileTree], T]) -> Answer[T]:
        """Return what ``work`` makes of the tree of the partition's first ``size`` events.

        Raises PositionInFutureError when the tiles do not hold so many.
        """

        def ask(session: Session, positions: dict[int, int]) -> T:
            reached = positions.get(partition, 0)
            if size > reached:
                raise PositionInFutureError(size, reached)
            return work(TileTree(session, partition))

        return self._answer(ask, (partition,))

    def account(self, account_id: int) -> Answer[Account | None]:
        """Return an account by its id, None when there is none."""
        return self._answer(lambda session, _: accounts.account_by_id(session, account_id))

    def list_accounts(
        self,
        participant: str,
        *,
        kinds: Collection[AccountKind] = (),
        closed: bool | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> Answer[list[Account]]:
        """Return a participant's accounts by id, from the one after ``after`` on."""
        return self._answer(
            lambda session, _: accounts.list_accounts(
                session, participant, kinds=kinds, closed=closed, after=after, limit=limit
            )
        )

    def balance(self, account_id: int, *, now: int, as_of: AsOf | None = None) -> Answer[Balance | None]:
        """Return an account's balance, None when there is (or was) no such account.

        Raises PositionInFutureError.
        """
        if as_of is not None:
            answer = self.balances([account_id], now=now, as_of=as_of)
            return Answer(answer.result[0], answer.positions)
        balance, position = self._store.question(lambda session: balances.balance_now(session, account_id, now))
        partition = account_partition(account_id)
        if position is None:
            return Answer(None, {partition: self.position(partition)})
        return Answer(balance, {partition: position})

    def balances(
        self, account_ids: Sequence[int], *, now: int, as_of: AsOf | None = None
    ) -> Answer[list[Balance | None]]:
        """Return several accounts' balances in the order asked for, all of one state.

        Raises PositionInFutureError, and ValueError for an account outside the partition of a position.
        """
        partitions = {account_partition(account_id) for account_id in account_ids}
        if isinstance(as_of, AtPosition) and partitions - {as_of.partition}:
            raise ValueError(f"position {as_of.position} is of partition {as_of.partition}, the accounts are not")

        def ask(session: Session, positions: dict[int, int]) -> list[Balance | None]:
            if as_of is None:
                return [balances.balance_now(session, account_id, now)[0] for account_id in account_ids]
            return [
                balances.balance_as_of(
                    session, account_id, as_of, tracked=positions.get(account_partition(account_id), 0), now=now
                )
                for account_id in account_ids
            ]

        return self._answer(ask, partitions)

    def lapsed(self, account_id: int, as_of: AtPosition) -> Answer[int]:
        """Return what was still held right after a position by holds that had ended by then, their end not recorded."""

        def ask(session: Session, _positions: dict[int, int]) -> int:
            if not as_of.position:
                return 0
            time = times.time_at(session, as_of.partition, as_of.position)
            held = [authorizations.held_as_of(session, account_id, as_of.position, now) for now in (0, time)]
            return held[0] - held[1]

        return self._answer(ask, {as_of.partition})

    def figures(self, partition: int, position: int, *, after: int = 0, limit: int = 100) -> Answer[list[Figures]]:
        """Return what a partition's accounts had right after a position, by id, from the one after ``after`` on.

        Every account of the page is looked at (some 20 µs each). Raises PositionInFutureError.
        """

        def ask(session: Session, positions: dict[int, int]) -> list[Figures]:
            tracked = positions.get(partition, 0)
            return figures.figures_at(session, partition, position, tracked=tracked, after=after, limit=limit)

        return self._answer(ask, {partition})

    def trial_balance(self, *, now: int, as_of: AsOf | None = None) -> Answer[tuple[TrialBalanceLine, ...]]:
        """Return the sums of all accounts by currency and kind; by position, those of its partition.

        As of an earlier moment every account is looked at (some 20 µs each). Raises PositionInFutureError.
        """

        def ask(session: Session, positions: dict[int, int]) -> tuple[TrialBalanceLine, ...]:
            wanted = [as_of.partition] if isinstance(as_of, AtPosition) else sorted(positions)
            return balances.trial_lines(
                [
                    balances.trial_balance(session, partition, as_of, tracked=positions.get(partition, 0), now=now)
                    for partition in wanted
                ]
            )

        return self._answer(ask, {as_of.partition} if isinstance(as_of, AtPosition) else None)

    def mini_statement(
        self, account_id: int, *, now: int, lines: int = 10, open_authorizations: int = 100
    ) -> Answer[MiniStatement | None]:
        """Return the last lines and the authorisations that hold something, newest first; None for no such account."""
        return mini_statement(self._store, account_id, now=now, lines=lines, authorizations=open_authorizations)

    def overview(
        self, account_id: int, *, now: int, lines: int, authorizations_limit: int, only_open: bool
    ) -> Answer[Overview | None]:
        """Return an account, its balance, last lines and authorisations, newest first; None for an unknown one."""

        def ask(session: Session) -> Answer[Overview | None]:
            balance, position = balances.balance_now(session, account_id, now)
            positions = {account_partition(account_id): position or 0}
            account = accounts.account_by_id(session, account_id)
            if balance is None or account is None:
                return Answer(None, positions)
            last = periods.last_lines(session, account_id, lines)
            if only_open:
                held = authorizations.open_authorizations(session, account_id, now, authorizations_limit)
            else:
                held = authorizations.list_authorizations(
                    session, account_id=account_id, now=now, limit=authorizations_limit
                )
            return Answer(Overview(account, balance, last, tuple(held)), positions)

        return self._store.snapshot(ask)

    def statement(
        self,
        account_id: int,
        *,
        start: int,
        end: int,
        axis: Axis = Axis.RECORDED,
        after: LineCursor | None = None,
        limit: int = 100,
    ) -> Answer[Statement | None]:
        """Return a page of the period ``start <= time < end``, None for an unknown account.

        Its positions are what all pages reflect. Raises PositionInFutureError when ``after`` is bound to a
        position that is not reached (any more: after a restore of the log).
        """
        partition = account_partition(account_id)

        def ask(session: Session, positions: dict[int, int]) -> Statement | None:
            account = accounts.account_by_id(session, account_id)
            if account is None:
                return None
            return periods.statement(
                session,
                account_id,
                account.currency,
                tracked=positions.get(partition, 0),
                start=start,
                end=end,
                axis=axis,
                after=after,
                limit=limit,
            )

        answer = self._answer(ask, {partition})
        if answer.result is None:
            return answer
        return Answer(answer.result, {partition: answer.result.position})

    def notices(self, partition: int, after: Cursor, wanted: Wanted, *, limit: int = 100) -> NoticePage:
        """Return the next notices behind a place in the outbox. Raises NoticesDroppedError."""

        def ask(session: Session, positions: dict[int, int]) -> NoticePage:
            tracked = positions.get(partition, 0)
            return outbox.read_notices(session, partition, after, wanted, tracked=tracked, limit=limit)

        return self._answer(ask, {partition}).result

    def list_notices(
        self,
        partition: int,
        wanted: Wanted,
        *,
        after: Cursor | None = None,
        before: Cursor | None = None,
        limit: int = 100,
    ) -> Answer[NoticeList]:
        """Return the notices behind one place in the outbox and before another, newest first.

        Raises NoticesDroppedError, and ProjectionsNotReadyError while the tables are behind ``before``.
        """

        def ask(session: Session, positions: dict[int, int]) -> NoticeList:
            tracked = positions.get(partition, 0)
            if before is not None and before.position > tracked + 1:
                raise ProjectionsNotReadyError("the projections are made anew, and are behind the page before this one")
            return outbox.list_notices(
                session, partition, wanted, after=after, before=before, tracked=tracked, limit=limit
            )

        return self._answer(ask, {partition})

    def authorization(self, authorization_id: bytes, *, now: int) -> Answer[AuthorizationRecord | None]:
        """Return an authorisation as at ``now``, None when there is none."""
        return self._answer(lambda session, _: authorizations.authorization_by_id(session, authorization_id, now))

    def list_authorizations(
        self,
        *,
        account_id: int | None = None,
        participant: str | None = None,
        card: bytes | None = None,
        states: Collection[State] = (),
        now: int,
        after: RecordCursor | None = None,
        limit: int = 100,
    ) -> Answer[list[AuthorizationRecord]]:
        """Return the authorisations of an account, a participant's accounts or a card, newest first.

        The next page comes after the last one's cursor.
        """
        return self._answer(
            lambda session, _: authorizations.list_authorizations(
                session,
                account_id=account_id,
                participant=participant,
                card=card,
                states=states,
                now=now,
                after=after,
                limit=limit,
            )
        )

    def accounts_by_number(self, participant: str, numbers: Collection[str]) -> Answer[dict[str, int]]:
        """Return the ids of a participant's accounts by their numbers, leaving out the unknown ones."""
        return self._answer(lambda session, _: credits_.accounts_by_number(session, participant, numbers))

    def resources_by_ids(self, kind: Kind, partition: int, ids: Collection[bytes]) -> Answer[dict[bytes, Any]]:
        """Return things of a kind by their ids, leaving out the unknown ones."""
        return self._answer(lambda session, _: resources.resources_by_ids(session, kind, partition, ids), {partition})

    def list_credit_lines(
        self, partition: int, file_id: bytes, *, refused_only: bool = False, after: int = 0, limit: int = 100
    ) -> Answer[list[credits_.LineFound]]:
        """Return where a credit file's lines were decided, by their numbers, from the one after ``after`` on."""
        return self._answer(
            lambda session, _: credits_.list_credit_lines(
                session, partition, file_id, refused_only=refused_only, after=after, limit=limit
            )
        )

    def transfers_by_reference(
        self, caller: str, reference: str, *, after: RecordCursor | None = None, limit: int = 100
    ) -> Answer[list[Located]]:
        """Return where a caller's transfers with a reference stand in the log, newest first."""
        return self._answer(
            lambda session, _: transfers.transfers_by_reference(session, caller, reference, after=after, limit=limit)
        )

    def transfers_by_tag(
        self, caller: str, key: str, value: str, *, after: RecordCursor | None = None, limit: int = 100
    ) -> Answer[list[Located]]:
        """Return where a caller's transfers that carry a tag stand in the log, newest first."""
        return self._answer(
            lambda session, _: transfers.transfers_by_tag(session, caller, key, value, after=after, limit=limit)
        )

    def list_participants(self, *, after: str = "", limit: int = 100) -> Answer[list[Participant]]:
        """Return the registered banks in the order of their ids, from the one after ``after`` on."""
        return self._answer(lambda session, _: participants.list_participants(session, after=after, limit=limit))

    def list_proposals(
        self,
        topic: str,
        *,
        states: Collection[ProposalState] = (),
        now: int,
        after: RecordCursor | None = None,
        limit: int = 100,
    ) -> Answer[list[Located]]:
        """Return where proposals whose first event has this topic stand in the log, newest first."""
        return self._answer(
            lambda session, _: proposals.list_proposals(
                session, topic, states=states, now=now, after=after, limit=limit
            )
        )

    def used(
        self, partition: int, subject: bytes, periods: Sequence[tuple[int, int]], *, upto: int = CURRENT
    ) -> Answer[list[dict[Operation, Used]]]:
        """Return what a customer, card or token took of limits in each period ``start <= time < end``.

        Of what was taken, what was given back behind position ``upto`` is not known yet.
        """
        return self._answer(
            lambda session, _: [
                usage.used_between(session, partition, subject, *period, upto=upto) for period in periods
            ],
            {partition},
        )

    def list_resources(
        self,
        kind: Kind,
        owner: str,
        *,
        states: Collection[str] = (),
        now: int,
        after: RecordCursor | None = None,
        limit: int = 100,
    ) -> Answer[list[Found]]:
        """Return an owner's things of a kind, newest first; the next page comes after the last one's cursor."""
        return self._answer(
            lambda session, _: resources.list_resources(
                session, kind, owner, states=states, now=now, after=after, limit=limit
            )
        )

    def resources_in_state(
        self, kind: Kind, states: Collection[str], *, after: RecordCursor | None = None, limit: int = 100
    ) -> Answer[list[Found]]:
        """Return things of a kind that stand in one of these states, the oldest first."""
        return self._answer(
            lambda session, _: resources.resources_in_state(session, kind, states, after=after, limit=limit)
        )

    def _answer(
        self, ask: Callable[[Session, dict[int, int]], T], partitions: Collection[int] | None = None
    ) -> Answer[T]:
        """Ask within one state of the tables; tell the positions of these partitions, of all when None."""

        def work(session: Session) -> Answer[T]:
            known: dict[int, int] = dict(session.all(_POSITIONS))
            if not known:
                session.confirm()
            result = ask(session, known)
            if partitions is None:
                return Answer(result, known)
            return Answer(result, {partition: known.get(partition, 0) for partition in sorted(partitions)})

        return self._store.snapshot(work)
