"""Whatever happened, every question is answered as a naive fold over the events answers it."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.account import AccountKind, MinimumBalanceSet, OverdraftLimitSet
from domain.authorization import (
    AuthorizationAmountReplaced,
    AuthorizationExpired,
    AuthorizationIncremented,
    AuthorizationPartlyReversed,
    AuthorizationReversed,
    ForcePosted,
    RefundPosted,
)
from domain.event import Event, Leg
from domain.ids import account_originator
from projections.answers import AtEffectiveTime, AtPosition, AtRecordedTime, Axis, LineCursor, StatementLine
from tests.projections.world import DAY, SECOND, World, happened, open_world

ACCOUNTS = 3
ALL_KINDS = (
    *("transfer", "late transfer", "two legs", "reverse transfer", "authorize", "brief hold", "increment", "replace"),
    *("part", "reverse", "capture", "late capture", "expire", "refund", "force", "credit", "limits"),
)
STEPS = st.tuples(
    st.sampled_from(ALL_KINDS),
    st.integers(0, ACCOUNTS - 1),
    st.integers(1, ACCOUNTS - 1),
    st.integers(1, 1000),
    st.integers(1, 40),
)


class Story:
    """Turns random steps into a history that the rules allow."""

    def __init__(self, world: World) -> None:
        self.world = world
        kinds = (AccountKind.SETTLEMENT, AccountKind.CUSTOMER, AccountKind.CUSTOMER)
        self.accounts = [world.open_account(kind=kind, number=f"n{index}") for index, kind in enumerate(kinds)]
        self.transfers: list[tuple[bytes, int, int, int]] = []
        self.open: list[bytes] = []
        self.seen: dict[bytes, tuple[int, int]] = {}
        self.remaining: dict[bytes, int] = {}
        self.ends: dict[bytes, int] = {}

    def take(self, kind: str, first: int, offset: int, amount: int, gap: int) -> None:
        """Record what one step says, if there is anything it can be done to."""
        one, other = self.accounts[first], self.accounts[(first + offset) % ACCOUNTS]
        self.world.now += gap * SECOND
        match kind:
            case "transfer":
                self.transfers.append((self.world.transfer(one, other, amount), one, other, amount))
            case "late transfer":
                self.world.transfer(one, other, amount, effective_time=self.world.now - amount * SECOND // 10)
            case "two legs":
                legs = (Leg("fee", other, one, 7), Leg("fee", one, other, 3))
                self.world.transfer(one, other, amount, legs=legs, effective_time=self.world.now - gap * 2 * SECOND)
            case "reverse transfer" if self.transfers:
                transfer, debit, credit, moved = self.transfers.pop()
                self.world.reverse_transfer(transfer, credit, debit, moved)
            case "authorize" | "brief hold":
                lasts = gap * SECOND if kind == "brief hold" else DAY
                made = self.world.authorize(one, other, amount, lasts=lasts, merchant_name="Shop", reference="r")
                self.open.append(made)
                self.seen[made], self.remaining[made] = (one, other), amount
                self.ends[made] = self.world.now - SECOND + lasts
            case "force":
                force = (Leg("force_post", one, other, amount),)
                self.world.append(ForcePosted(account=one, amount=amount, legs=force, clearing_reference="f"))
            case "credit":
                back = (Leg("refund", one, other, amount),)
                self.world.append(RefundPosted(account=other, amount=amount, legs=back, clearing_reference="m"))
            case "limits":
                event = OverdraftLimitSet(limit=amount) if offset == 1 else MinimumBalanceSet(minimum=amount)
                self.world.append(event, originator=account_originator(one))
            case _:
                if self.seen:
                    self._change(kind, list(self.seen)[amount % len(self.seen)], amount, gap)

    def _change(self, kind: str, made: bytes, amount: int, gap: int) -> None:
        account, credit = self.seen[made]
        left = self.remaining[made]
        event: Event
        if kind == "refund":
            legs = (Leg("refund", credit, account, amount),)
            event = RefundPosted(account=account, amount=amount, legs=legs, clearing_reference="r")
            self.world.append(event, originator=made)
            return
        if "capture" in kind:
            released, final = min(amount, left), amount % 2 == 0
            late = self.world.now - gap * SECOND if kind == "late capture" else None
            released = left if final else released
            self.world.capture(made, account, credit, amount, released=released, final=final, effective_time=late)
            self._settle(made, left - released, closed=final)
            return
        if made not in self.open:
            return
        match kind:
            case "increment":
                self.world.append(AuthorizationIncremented(account=account, amount=amount), originator=made)
                self._settle(made, left + amount)
            case "replace":
                self.world.append(AuthorizationAmountReplaced(account=account, total=amount), originator=made)
                self._settle(made, amount)
            case "part" if left:
                event = AuthorizationPartlyReversed(account=account, amount=min(amount, left))
                self.world.append(event, originator=made)
                self._settle(made, left - min(amount, left))
            case "reverse":
                event = AuthorizationReversed(account=account, released=left, by="acquirer")
                self.world.append(event, originator=made)
                self._settle(made, 0, closed=True)
            case "expire" if self.ends[made] <= self.world.now:
                event = AuthorizationExpired(account=account, released=left, expires_at=self.ends[made])
                self.world.append(event, originator=made)
                self._settle(made, 0, closed=True)
            case _:
                return

    def _settle(self, made: bytes, left: int, *, closed: bool = False) -> None:
        self.remaining[made] = left
        if closed and made in self.open:
            self.open.remove(made)


HISTORIES = st.lists(STEPS, min_size=1, max_size=25)
SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def told(world: World, steps: list[tuple[str, int, int, int, int]], batch_size: int) -> Story:
    story = Story(world)
    for step in steps:
        story.take(*step)
    world.project(batch_size=batch_size)
    return story


@pytest.mark.slow
@SETTINGS
@given(steps=HISTORIES, batch_size=st.integers(1, 12))
def test_any_history_reads_as_its_fold(
    steps: list[tuple[str, int, int, int, int]], batch_size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Balances, holds, statements and the trial balance agree with the fold at every position and time."""
    directory: Path = tmp_path_factory.mktemp("world")
    with open_world(f"sqlite:///{directory / 'esep.db'}") as world:
        everything_agrees(world, told(world, steps, batch_size))


@pytest.mark.slow
@pytest.mark.postgres
def test_a_long_history_reads_as_its_fold_on_postgres(postgres_url: str) -> None:
    """The same on PostgreSQL, for one history with every kind of step in it."""
    with open_world(postgres_url) as world:
        steps = [(kind, n % 3, 1 + n % 2, 1 + 37 * n % 900, 1 + n % 40) for n, kind in enumerate(ALL_KINDS * 3)]
        everything_agrees(world, told(world, steps, 7))


def everything_agrees(world: World, story: Story) -> None:
    for account in story.accounts:
        balances_agree(world, account)
        for axis in Axis:
            statements_agree(world, account, axis)
    trial_balances_agree(world, story.accounts)


def balances_agree(world: World, account: int) -> None:
    reader, events = world.reader, world.events
    now = world.now + 20 * SECOND
    answer = reader.balance(account, now=now)
    assert answer.positions == {0: world.head}
    assert answer.result is not None
    assert answer.result.posted == world.posted(account, events)
    assert answer.result.held == world.held(account, world.head, now)
    opened = next(row.position for row, _ in events if row.originator_id == account_originator(account))
    for position in range(world.head + 1):
        found = reader.balance(account, now=now, as_of=AtPosition(0, position)).result
        if position < opened:
            assert found is None
            continue
        assert found is not None
        assert found.posted == world.posted(account, world.upto(position))
        assert found.held == world.held(account, position, events[position - 1][0].recorded_at)
        assert found.available is not None
        assert found.available == found.posted - found.held + found.overdraft_limit - found.minimum_balance
    for time in interesting_times(world):
        recorded = reader.balance(account, now=now, as_of=AtRecordedTime(time)).result
        position = world.position_at(time)
        if position >= opened:
            assert recorded is not None
            assert recorded.posted == world.posted(account, world.upto(position))
            assert recorded.held == world.held(account, position, time)
        else:
            assert recorded is None
        effective = reader.balance(account, now=now, as_of=AtEffectiveTime(time)).result
        had_happened = [pair for pair in events if happened(*pair) <= time]
        if effective is None:
            assert position < opened
            assert world.posted(account, had_happened) == 0
        else:
            assert effective.posted == world.posted(account, had_happened)


def interesting_times(world: World) -> list[int]:
    """Return every time something was recorded or happened, and the microseconds around it."""
    times = {time for row, event in world.events for time in (row.recorded_at, happened(row, event))}
    return sorted({time + shift for time in times for shift in (-1, 0, 1)})


def statements_agree(world: World, account: int, axis: Axis) -> None:
    times = interesting_times(world)
    chosen = [*times[:: max(1, len(times) // 8)], times[-1]]
    for start in chosen:
        for end in (time for time in chosen if time > start):
            statement_agrees(world, account, axis, start, end)


def statement_agrees(world: World, account: int, axis: Axis, start: int, end: int) -> None:
    def time_of(row: object, event: object) -> int:
        return row.recorded_at if axis is Axis.RECORDED else happened(row, event)  # type: ignore[attr-defined,arg-type]

    expected = world.lines(account, lambda row, event: start <= time_of(row, event) < end)
    if axis is Axis.EFFECTIVE:
        when = {row.position: happened(row, event) for row, event in world.events}
        expected.sort(key=lambda line: (when[line[0]], line[0], line[1]))
    opening = world.posted(account, [pair for pair in world.events if time_of(*pair) < start])
    lines: list[StatementLine] = []
    cursor: LineCursor | None = None
    while True:
        page = world.reader.statement(account, start=start, end=end, axis=axis, after=cursor, limit=3).result
        assert page is not None
        assert page.opening == opening
        assert page.count == len(expected)
        assert page.total_credits - page.total_debits == page.closing - page.opening
        assert page.total_debits == -sum(amount for _, _, amount in expected if amount < 0)
        lines += page.lines
        cursor = page.next
        if cursor is None:
            assert page.closing == opening + sum(amount for _, _, amount in expected)
            break
    assert [(line.position, line.leg, line.amount) for line in lines] == expected
    running = opening
    for line in lines:
        running += line.amount
        assert line.balance_after == running


def trial_balances_agree(world: World, accounts: list[int]) -> None:
    now = world.now + SECOND
    for position in range(len(accounts), world.head + 1):
        lines = world.reader.trial_balance(now=now, as_of=AtPosition(0, position)).result
        assert sum(line.posted for line in lines) == 0
        assert sum(line.account_count for line in lines) == len(accounts)
        settled = next(line.posted for line in lines if line.kind is AccountKind.SETTLEMENT)
        assert settled == world.posted(accounts[0], world.upto(position))
    for time in interesting_times(world):
        lines = world.reader.trial_balance(now=now, as_of=AtEffectiveTime(time)).result
        settled = next(line.posted for line in lines if line.kind is AccountKind.SETTLEMENT)
        assert settled == world.posted(accounts[0], [pair for pair in world.events if happened(*pair) <= time])
        assert sum(line.posted for line in lines) == 0
