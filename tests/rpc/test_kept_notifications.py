"""What is kept is listed newest first; who resumes before what is kept no more is told so, and where to start."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protos.esep.v1 import notification_pb2 as pb
from protos.esep.v1 import notification_service_pb2 as api
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN
from tests.rpc.test_notifications import (
    Subscription,
    carded,
    cursors,
    day,
    head,
    listed,
    many_transfers,
    narrow_channel,
    stub_of,
)
from tests.rpc.world import Bank, World, refused
from tests.waiting import eventually

HOUR = 3_600_000_000


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """Give a bank at a ledger that keeps notifications for an hour."""
    with World(tmp_path, keep_notices=HOUR) as world:
        yield carded(Bank(world))


def an_hour_passes(bank: Bank) -> pb.NotificationCursor:
    """Let what was told be old, and something happen; return the last notification that is kept no more then."""
    bank.world.clock.ahead += 2 * HOUR
    bank.move(bank.rich, bank.poor, 77)
    dropped = pb.NotificationCursor()

    def gone() -> bool:
        found = page(bank)
        dropped.CopyFrom(found.dropped)
        return [each.amount_tyiyn for each in found.notifications] == [77, 77]

    eventually(gone)
    return dropped


def page(bank: Bank, **fields: Any) -> api.ListNotificationsResponse:
    """Return the first page of what is listed."""
    request = api.ListNotificationsRequest(language=LANGUAGE_EN, min_position=head(bank), **fields)
    answer: api.ListNotificationsResponse = bank.call(bank.ledger.notifications.ListNotifications, request)
    return answer


def test_a_list_begins_with_the_newest(bank: Bank) -> None:
    """Its pages are of one moment; behind its cursor a stream tells what came since."""
    day(bank)
    told = listed(bank)
    request = api.ListNotificationsRequest(language=LANGUAGE_EN, page_size=2, min_position=head(bank))
    first = bank.call(bank.ledger.notifications.ListNotifications, request)
    assert list(first.notifications) == told[:-3:-1]
    bank.move(bank.cash, bank.poor, 88)
    request.page_token = first.next_page_token
    second = bank.call(bank.ledger.notifications.ListNotifications, request)
    assert list(second.notifications) == told[-3:-5:-1]
    assert second.cursor == first.cursor
    subscription = Subscription(bank, after=second.cursor)
    assert [each.amount_tyiyn for each in subscription.past()] == [88]
    subscription.cancel()


def test_an_accounts_notifications_are_listed(bank: Bank) -> None:
    """Whatever the size of the pages; an account that has no card has none."""
    day(bank)
    told = listed(bank)
    assert listed(bank, account_id=bank.rich) == [each for each in told if each.account_id == bank.rich]
    assert listed(bank, account_id=bank.poor, page_size=2) == [each for each in told if each.account_id == bank.poor]
    assert listed(bank, account_id=bank.cash) == []
    request = api.ListNotificationsRequest(language=LANGUAGE_EN, account_id=-1)
    assert bank.refused(bank.ledger.notifications.ListNotifications, request).fields == {"account_id": "RANGE"}


def test_a_subscriber_that_resumes_too_early_is_told_where_to_start(bank: Bank) -> None:
    """From the beginning, or behind one after which others were dropped; behind the last one all is there."""
    day(bank)
    told = listed(bank)
    assert not page(bank).HasField("dropped")
    dropped = an_hour_passes(bank)
    assert dropped == told[-1].cursor

    early = told[0].cursor
    for refusal in (Subscription(bank, after=early).end(), refused(lambda: page(bank, after=early))):
        assert (refusal.reason, refusal.code.name) == ("NOTIFICATIONS_DROPPED", "ABORTED")
        start = {name: int(refusal.metadata[f"after_{name}"]) for name in ("partition", "position", "item")}
        assert pb.NotificationCursor(**start) == dropped
    assert Subscription(bank).end().reason == "NOTIFICATIONS_DROPPED"
    resumed = Subscription(bank, after=dropped)
    assert [each.amount_tyiyn for each in resumed.past()] == [77, 77]
    resumed.cancel()


def test_a_stream_that_is_overtaken_is_ended(bank: Bank) -> None:
    """A reader so slow that what it has not read yet is dropped hears so after the last one that it was sent."""
    many_transfers(bank)
    expected = cursors(listed(bank, page_size=1_000))
    with narrow_channel(bank.world) as channel:
        subscription = Subscription(bank, stub=stub_of(channel))
        told = list(subscription.next().notifications.notifications)
        an_hour_passes(bank)

        def read_on() -> None:
            while True:
                told.extend(subscription.next().notifications.notifications)

        assert refused(read_on).reason == "NOTIFICATIONS_DROPPED"
    assert cursors(told) == expected[: len(told)]
    assert len(told) < len(expected)
