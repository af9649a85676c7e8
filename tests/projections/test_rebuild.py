"""Rebuilding beside the live tables, and checking them against the log."""

import os
import threading
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.account import AccountKind
from domain.adjustment import AdjustmentProposed
from domain.binding import CardBindingRequested
from domain.card import CardIssued
from domain.credit import Category, CreditFileOpened
from domain.customer import CustomerRegistered
from domain.limits import Spending
from domain.participant import Names, ParticipantRegistered, participant_key
from domain.payee import PayeeKind, PayeeRegistered
from domain.rules import Operation
from domain.token import TokenRequested
from ledger.log.codec import UnknownTopicError, decode
from projections import schema
from projections.check import Difference, check
from projections.rebuild import rebuild
from projections.runner import live_copy, run
from projections.store import ProjectionsNotReadyError, open_store
from tests.projections.world import World
from tests.waiting import eventually


@pytest.fixture
def history(world: World) -> World:
    """Give a world with a row in every table."""
    bank, customer = world.open_account(kind=AccountKind.SETTLEMENT), world.open_account()
    world.transfer(bank, customer, 500, reference="r", tags={"k": "v"})
    made = world.authorize(customer, bank, 100)
    world.capture(made, customer, bank, 40)
    card = world.append(CardIssued(participant="bank-a", account=customer, masked="", expires=2028_12, par="A" * 29))
    world.append(
        CardBindingRequested(
            customer=UUID(int=1),
            card=UUID(bytes=card),
            participant="bank-a",
            masked="",
            hold=UUID(int=2),
            expires_at=world.now,
            tries=3,
        )
    )
    world.append(
        TokenRequested(
            participant="bank-a",
            card=UUID(bytes=card),
            customer=UUID(int=1),
            device=UUID(int=3),
            device_id="d",
            masked="",
            par="A" * 29,
        )
    )
    file = CreditFileOpened(
        category=Category.SALARY, participant="bank-a", account=bank, currency="KGS", lines=1, total=1, payer_name="П"
    )
    world.transfer(bank, customer, 1, kind="salary", credit_file=UUID(bytes=world.append(file)), credit_line=1)
    world.append(PayeeRegistered(kind=PayeeKind.MERCHANT, code="shop", participant="bank-a", account=bank, name="Shop"))
    names = Names("Банк", "Банк", "Bank")
    world.append(
        ParticipantRegistered(participant="bank-a", names=names, settlement_account=bank, fee_account=bank),
        originator=participant_key("bank-a"),
    )
    world.append(CustomerRegistered(participant="bank-a", login=b"l", phone=b"p", confirm_by=1))
    world.append(AdjustmentProposed(debit_account=bank, credit_account=customer, amount=1, maker="m", expires_at=1))
    world.authorize(customer, bank, 1, spending=Spending(Operation.POS_PAYMENT, 1, UUID(int=7)))
    world.project()
    return world


TAMPERED: dict[str, tuple[str, Any]] = {
    "tracking": ("recorded_at", 1),
    "recorded_times": ("first_at", 1),
    "accounts": ("overdraft_limit", 9),
    "account_limits": ("minimum_balance", 9),
    "balances": ("posted", 1),
    "movements": ("amount", 1),
    "holds": ("remaining", 1),
    "authorizations": ("participant", "bank-z"),
    "notices": ("amount", 9),
    "card_addresses": ("sms", 1),
    "binding_addresses": ("card_id", b"x" * 16),
    "token_addresses": ("card_id", b"x" * 16),
    "payer_names": ("name", "Tampered"),
    "served_customers": ("participant", "bank-z"),
    "credit_lines": ("refused", 1),
    "participants": ("name_en", "Tampered"),
    "resources": ("state", "inactive"),
    "resource_owners": ("present", 0),
    "proposals": ("decided", "approved"),
    "spendings": ("amount", 2),
    "tiles": ("hashes", b"x" * 32),
    "transfer_references": ("recorded_at", 1),
    "transfer_tags": ("transfer_id", b"x" * 16),
}


def test_every_table_has_a_row_to_tamper_with() -> None:
    """A new table does not go unchecked; what was dropped is no matter of the log, and has a test of its own.

    So have marks, which are nothing but a key.
    """
    assert set(TAMPERED) == set(schema.metadata.tables) - {"notices_dropped", "line_marks"}


def test_untouched_tables_have_no_differences(history: World) -> None:
    """What the runner made is what the log makes."""
    assert check(history.log, history.store, decode) == []


def tamper(world: World, statement: str, *values: Any) -> None:
    copy = live_copy(world.store)
    with copy.write() as writer:
        writer.one(f"{statement} RETURNING 1", *values)
    copy.close()


@pytest.mark.parametrize("table", sorted(TAMPERED))
def test_a_changed_value_is_named(history: World, table: str) -> None:
    """The difference names table, key and column, what the log says and what was found."""
    column, value = TAMPERED[table]
    tamper(history, f"UPDATE {table} SET {column} = ?", value)  # noqa: S608 - names from our own schema
    found = [each for each in check(history.log, history.store, decode) if each.table == table]
    assert found
    assert set(found[0].key) == {each.name for each in schema.metadata.tables[table].primary_key.columns}
    assert found[0].found == {column: value}
    assert set(found[0].expected) == {column}
    assert found[0].expected != found[0].found


@pytest.mark.parametrize("table", sorted(set(TAMPERED) - {"tracking"}))
def test_a_missing_row_is_named(history: World, table: str) -> None:
    """A row that is gone is found by its key."""
    tamper(history, f"DELETE FROM {table}")  # noqa: S608 - a name from our own schema
    found = [each for each in check(history.log, history.store, decode) if each.table == table]
    assert found
    assert found[0].found is None


def test_a_mark_at_another_place_is_named(history: World) -> None:
    """As one that is missing, and one too many."""
    for _ in range(20):
        history.transfer(1, 2, 1)
    history.project()
    assert check(history.log, history.store, decode) == []
    tamper(history, "UPDATE line_marks SET place = place + 1 WHERE account_id = 1")
    told = check(history.log, history.store, decode)
    assert {(each.table, each.key["account_id"], each.expected is None, each.found is None) for each in told} == {
        ("line_marks", 1, False, True),
        ("line_marks", 1, True, False),
    }


def test_a_notice_that_is_there_and_said_to_be_dropped_is_named(history: World) -> None:
    """Where the tables say that notices were dropped, those must be gone."""
    tamper(history, "INSERT INTO notices_dropped VALUES (0, ?, 0)", history.head)
    found = check(history.log, history.store, decode)
    assert {(each.table, each.expected) for each in found} == {("notices", None)}


def test_a_row_too_many_is_named(history: World) -> None:
    """A row that the log does not make is found by its key."""
    tamper(history, "INSERT INTO account_limits VALUES (0, 77, 1, 0, 0)")
    (found,) = check(history.log, history.store, decode)
    key = {"partition": 0, "account_id": 77, "position": 1}
    assert found == Difference("account_limits", key, None, {"overdraft_limit": 0, "minimum_balance": 0})


def test_books_that_do_not_sum_to_zero_are_told(history: World) -> None:
    """Beyond the rows themselves, what must hold whatever made them is checked."""
    tamper(history, "UPDATE balances SET posted = posted + 3, held = held + 1 WHERE account_id = 1")
    told = check(history.log, history.store, decode)
    assert Difference("balances", {"partition": 0, "currency": "KGS"}, {"sum": 0}, {"sum": 3}) in told
    key = {"partition": 0, "account_id": 1}
    assert Difference("balances", key, {"posted": -461}, {"posted": -458}) in told
    assert Difference("balances", key, {"held": 0}, {"held": 1}) in told


def test_a_check_leaves_nothing_behind_and_needs_tables(world: World) -> None:
    """There is nothing to check before the runner has made tables."""
    with pytest.raises(ProjectionsNotReadyError):
        check(world.log, world.store, decode)


def test_a_rebuild_mends_the_tables(history: World) -> None:
    """After it the tables are what the log makes, and progress was told."""
    tamper(history, "UPDATE balances SET posted = 1")
    told: list[tuple[int, int, int]] = []
    rebuild(history.log, history.store, decode, progress=lambda *args: told.append(args), batch_size=2)
    assert told == [(0, 2, 5), (0, 4, 5), (0, 5, 5)] or told[-1] == (0, history.head, history.head)
    assert check(history.log, history.store, decode) == []


def test_a_reader_goes_on_over_a_rebuild(history: World) -> None:
    """The same reader finds the new tables, at no earlier position."""
    before = history.reader.position()
    rebuild(history.log, history.store, decode)
    assert history.reader.position() == before
    history.transfer(1, 2, 1)
    history.project()
    assert history.reader.position() == history.head


def test_a_rebuild_that_fails_leaves_the_live_tables(history: World) -> None:
    """An event that cannot be decoded ends the rebuild; readers see what they saw before."""

    def broken(topic: str, state: bytes) -> Any:
        raise UnknownTopicError(topic)

    before = history.reader.position()
    with pytest.raises(UnknownTopicError):
        rebuild(history.log, history.store, broken)
    assert history.reader.position() == before


def test_readers_and_the_runner_go_on_while_rebuilding(history: World) -> None:
    """Positions never go back, no question fails, and the runner moves over to the new tables."""
    done = threading.Event()
    seen: list[int] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                answer = history.reader.mini_statement(2, now=history.now)
                seen.append(answer.positions[0])
                if answer.result is None:
                    raise LookupError(f"no account at {answer.positions}")
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            failures.append(error)

    def keep() -> None:
        try:
            run(history.log, history.store, decode, done.is_set, done.wait)
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            failures.append(error)

    threads = [threading.Thread(target=read), threading.Thread(target=keep)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            history.transfer(1, 2, 1)
            rebuild(history.log, history.store, decode)
        while history.reader.position() < history.head and not failures:
            done.wait(0.01)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert seen == sorted(seen)
    assert check(history.log, history.store, decode) == []


def copies(store_url: str) -> set[str]:
    """Return what copies of the tables there are, live or not."""
    if store_url.startswith("sqlite"):
        return {path.name for path in Path(store_url.removeprefix("sqlite:///")).parent.glob("*.projections.*.db*")}
    with psycopg.connect(store_url) as connection:
        return {name for (name,) in connection.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '_[0-9]+$'")}


def begin_copy(store_url: str, made: Any, end: Any) -> None:
    """Begin a copy as a rebuild does. Runs in a process of its own, which ends however the test wants."""
    copy = open_store(store_url).create()
    made.set()
    end.wait()
    os._exit(copy.number)


def test_a_copy_that_a_crash_left_is_dropped(history: World, store_url: str) -> None:
    """A copy whose maker died is dropped at the runner's next start; one that is being made is kept till then."""
    before = copies(store_url)
    context = get_context("spawn")
    made, end = context.Event(), context.Event()
    maker = context.Process(target=begin_copy, args=(store_url, made, end), daemon=True)
    maker.start()
    assert made.wait(60)
    during = copies(store_url)
    assert len(during) > len(before)
    run(history.log, history.store, decode, lambda: True, lambda _: None)
    assert {name for name in copies(store_url) if "-" not in name} == {name for name in during if "-" not in name}
    maker.kill()
    maker.join()
    eventually(lambda: history.store.sweep() == 1)
    assert copies(store_url) <= before
    assert check(history.log, history.store, decode) == []


def test_a_rebuild_leaves_nothing_to_sweep(history: World, store_url: str) -> None:
    """A rebuild that ends well or badly leaves the live copy alone behind."""
    rebuild(history.log, history.store, decode)
    assert history.store.sweep() == 0
    assert len({name for name in copies(store_url) if "-" not in name}) == 1


def test_a_runner_sweeps_when_it_starts(history: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a crash left is dropped without anybody asking."""
    swept: list[int] = []
    monkeypatch.setattr(type(history.store), "sweep", lambda _: swept.append(1))
    run(history.log, history.store, decode, lambda: True, lambda _: None)
    assert swept == [1]
