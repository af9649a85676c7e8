"""Statements: what the lines say, and pages that tie out while the log goes on."""

import pytest

from domain.account import AccountKind
from domain.authorization import ForcePosted, RefundPosted
from domain.event import Leg
from projections.answers import Axis, LineCursor, PositionInFutureError, Source, StatementLine
from tests.projections.world import DAY, SECOND, START, World


@pytest.fixture
def pair(world: World) -> tuple[int, int]:
    """Give a bank's account and a customer's."""
    return world.open_account(kind=AccountKind.SETTLEMENT), world.open_account(number="108")


def lines_of(world: World, account: int) -> tuple[StatementLine, ...]:
    world.project()
    found = world.reader.statement(account, start=0, end=world.now + 1).result
    assert found is not None
    return found.lines


def test_a_line_says_what_moved_and_with_whom(world: World, pair: tuple[int, int]) -> None:
    """A line has its key, both times, the signed amount, the balance after it and the other side."""
    bank, customer = pair
    happened = world.now - DAY
    made = world.transfer(customer, bank, 40, kind="p2p", reference="ref", effective_time=happened)
    (line,) = lines_of(world, bank)
    assert (line.position, line.leg, line.recorded_at, line.effective_time) == (3, 0, world.now, happened)
    assert (line.kind, line.amount, line.balance_after) == ("p2p", 40, 40)
    assert (line.counterparty, line.counterparty_number) == (customer, "108")
    assert (line.source_type, line.source_id, line.reference) == (Source.TRANSFER, made, "ref")


def test_a_mini_statement_tells_the_lines_of_the_statement(world: World, pair: tuple[int, int]) -> None:
    """The newest first, each once, with the number of the account on the other side where that has one."""
    bank, customer = pair
    others = [world.open_account(number=number) for number in ("109", "110")]
    for number, other in enumerate([*others, bank, customer], 1):
        world.transfer(bank if other != bank else customer, other, number)
    lines = lines_of(world, bank)
    told = world.reader.mini_statement(bank, now=world.now).result
    assert told is not None
    assert told.lines == lines[::-1]
    assert [line.counterparty_number for line in told.lines] == ["108", "108", "110", "109"]


def test_a_capture_shows_the_merchant_of_its_authorisation(world: World, pair: tuple[int, int]) -> None:
    """Name and reference come from the authorisation, made in the same batch or long before."""
    bank, customer = pair
    first = world.authorize(customer, bank, 40, merchant_name="Shop", reference="r1")
    world.capture(first, customer, bank, 10)
    world.project()
    world.capture(first, customer, bank, 5)
    assert [(line.merchant_name, line.reference, line.source_id) for line in lines_of(world, customer)] == [
        ("Shop", "r1", first)
    ] * 2


def test_each_line_names_its_source(world: World, pair: tuple[int, int]) -> None:
    """Transfers, captures, force posts and refunds are told apart; a linked refund is its authorisation's."""
    bank, customer = pair
    transfer = world.transfer(bank, customer, 1)
    world.reverse_transfer(transfer, customer, bank, 1)
    held = world.authorize(customer, bank, 1)
    world.capture(held, customer, bank, 1)
    back = (Leg("refund", bank, customer, 1),)
    world.append(RefundPosted(account=customer, amount=1, legs=back, clearing_reference="a"), originator=held)
    credit = world.append(RefundPosted(account=customer, amount=1, legs=back, clearing_reference="b"))
    legs = (Leg("force_post", customer, bank, 1),)
    force = world.append(ForcePosted(account=customer, amount=1, legs=legs, clearing_reference="c"))
    assert [(line.source_type, line.source_id) for line in lines_of(world, customer)] == [
        (Source.TRANSFER, transfer),
        (Source.TRANSFER, transfer),
        (Source.AUTHORIZATION, held),
        (Source.AUTHORIZATION, held),
        (Source.REFUND, credit),
        (Source.FORCE_POSTING, force),
    ]


def test_a_mini_statement_is_the_last_lines_and_the_open_holds(world: World, pair: tuple[int, int]) -> None:
    """Both are newest first; a hold that has lapsed is not open."""
    bank, customer = pair
    for amount in (1, 2, 3):
        world.transfer(bank, customer, amount)
    held = [world.authorize(customer, bank, 1, lasts=lasts) for lasts in (SECOND, DAY, DAY)]
    world.project()
    answer = world.reader.mini_statement(customer, now=world.now, lines=2)
    mini = answer.result
    assert mini is not None
    assert [(line.amount, line.balance_after) for line in mini.lines] == [(3, 6), (2, 3)]
    assert [each.authorization.authorization_id for each in mini.open_authorizations] == [held[2], held[1]]
    assert (mini.balance.posted, mini.balance.held) == (6, 2)
    assert answer.positions == {0: world.head}


def test_an_unknown_account_has_no_statement(world: World) -> None:
    """There is nothing to print for an account that was never opened."""
    world.open_account()
    world.project()
    assert world.reader.mini_statement(7, now=world.now).result is None
    assert world.reader.statement(7, start=0, end=1).result is None


@pytest.mark.parametrize("axis", list(Axis))
def test_pages_tie_out_while_events_arrive_between_them(world: World, pair: tuple[int, int], axis: Axis) -> None:
    """All pages are of the first one's position: each movement once, and opening + sum = closing."""
    bank, customer = pair
    for step in range(9):
        late = world.now - step * 3 * SECOND if step % 3 == 0 else None
        world.transfer(bank, customer, 10 + step, effective_time=late)
    expected = world.lines(customer, lambda _row, _event: True)
    end = world.now + 100 * SECOND
    cursor: LineCursor | None = None
    lines: list[StatementLine] = []
    figures = set()
    while True:
        world.project()
        answer = world.reader.statement(customer, start=START - DAY, end=end, axis=axis, after=cursor, limit=2)
        page = answer.result
        assert page is not None
        lines += page.lines
        figures.add((page.opening, page.closing, page.total_debits, page.total_credits, page.count))
        assert answer.positions == {0: 11}
        world.transfer(bank, customer, 1)
        world.transfer(customer, bank, 500, effective_time=START + 5 * SECOND)
        cursor = page.next
        if cursor is None:
            break
    assert sorted((line.position, line.leg, line.amount) for line in lines) == expected
    ((opening, closing, debits, credited, count),) = figures
    assert opening + sum(line.amount for line in lines) == closing == lines[-1].balance_after
    assert (debits, credited, count) == (0, closing, len(expected))


def test_a_page_bound_to_a_position_not_reached_is_refused(world: World, pair: tuple[int, int]) -> None:
    """After a restore of the log an old cursor may name a position that is gone."""
    world.project()
    with pytest.raises(PositionInFutureError):
        world.reader.statement(pair[0], start=0, end=1, after=LineCursor(3, 0, 0, 0))


def test_movements_of_one_instant_split_over_pages_keep_their_balance(world: World, pair: tuple[int, int]) -> None:
    """On the effective axis many movements may have happened at the same time."""
    bank, customer = pair
    instant = world.now
    for amount in (1, 2, 3, 4):
        world.transfer(bank, customer, amount, effective_time=instant)
    world.project()
    after, balances = None, []
    while True:
        found = world.reader.statement(
            customer, start=instant, end=instant + 1, axis=Axis.EFFECTIVE, after=after, limit=1
        ).result
        assert found is not None
        balances += [line.balance_after for line in found.lines]
        after = found.next
        if after is None:
            break
    assert balances == [1, 3, 6, 10]
