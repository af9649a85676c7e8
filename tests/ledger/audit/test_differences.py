"""Differences that do not tie out are said to, each for what it is."""

from msgspec.structs import replace

from domain.account import AccountClosed, AccountKind, AccountOpened
from domain.event import Event
from domain.ids import account_originator
from domain.ports import Row
from domain.transfer import TransferPosted
from ledger.audit.figures.differences import Events, compare, unlike
from ledger.audit.source import AccountFigures
from ledger.log.codec import encode

BEFORE = [AccountFigures(number, "bank-a", "customer", "KGS", 0, 0, 0, 0) for number in (1, 2)]
AFTER = [replace(BEFORE[0], posted=-50, held=7), replace(BEFORE[1], posted=50)]


def events(*kinds: Event) -> Events:
    found = Events()
    for position, event in enumerate(kinds, 1):
        row = Row(0, position, account_originator(position), 1, event.TOPIC, encode(event), position, None, "c")
        found.add(row, event)
    return found


PAID = TransferPosted(debit_account=1, credit_account=2, amount=50)


def test_what_ties_out() -> None:
    """Every account that changed, the sums of the currency, and nothing to complain of."""
    found = compare(8, 9, BEFORE, AFTER, events(PAID))
    assert found.disagreements == []
    assert [(each.account_id, each.posted, each.held, each.available) for each in found.accounts] == [
        (1, -50, 7, -57),
        (2, 50, 0, 50),
    ]
    (of,) = found.sums
    assert (of.posted, of.held, of.available, of.moved) == (0, 7, -7, 50)


def test_accounts_that_come_and_go() -> None:
    """An account that was opened has no figures before; one that did not change is not told."""
    opened = AccountOpened(participant="bank-a", kind=AccountKind.CUSTOMER, currency="KGS")
    found = compare(0, 2, BEFORE[:1], BEFORE, events(opened, AccountClosed()))
    assert (found.opened, found.closed, found.disagreements) == ([1], [2], [])
    assert [(each.account_id, each.before) for each in found.accounts] == [(2, None)]


def test_figures_that_events_do_not_post() -> None:
    """Account by account: what the events post is what the figures change by."""
    wrong = [AFTER[0], replace(AFTER[1], posted=51)]
    assert compare(8, 9, BEFORE, wrong, events(PAID)).disagreements == [
        "account 2: events post 50, figures change by 51",
        "the changes of KGS come to 1, not to 0",
    ]


def test_accounts_that_are_not_there() -> None:
    """An account of an event, or of the earlier moment, must be there at the later one."""
    assert compare(8, 9, BEFORE, AFTER[:1], events(PAID)).disagreements == [
        "account 2 is not there any more",
        "account 2 is moved to or from, and is not there",
        "the changes of KGS come to -50, not to 0",
    ]


def test_events_that_are_missing() -> None:
    """As many events as there are positions."""
    assert compare(8, 10, BEFORE, AFTER, events(PAID)).disagreements == [
        "there are 1 events behind position 8 up to 10"
    ]


def test_figures_that_the_ledger_told_otherwise() -> None:
    """Each account that was told otherwise, was not told, or was told and is not there."""
    assert unlike(AFTER, AFTER) == []
    assert unlike(BEFORE, AFTER) == [
        f"account {number}: the ledger told other figures than its events make" for number in (1, 2)
    ]
    assert unlike(AFTER[:1], AFTER) == ["account 2: the ledger told nothing of it"]
    assert unlike(AFTER, AFTER[:1]) == ["account 2: the ledger told other figures than its events make"]
