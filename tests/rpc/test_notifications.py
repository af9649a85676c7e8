"""Being told what happens: every notification once, in order, behind any cursor; streams that starve nobody."""

import threading
import time
from typing import Any

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2

from ledger.log.codec import decode
from ledger.rpc.settings import RpcSettings
from projections.outbox import LAST_ITEM
from projections.rebuild import rebuild
from projections.runner import Projector
from protos.esep.v1 import authorization_pb2, common_pb2
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import notification_pb2 as pb
from protos.esep.v1 import notification_service_pb2 as api
from protos.esep.v1.notification_service_pb2_grpc import NotificationServiceStub
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN, LANGUAGE_KY, LANGUAGE_RU
from protos.esep.v1.statement_service_pb2 import BatchGetBalancesRequest
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest
from tests.rpc.test_cards import issuing
from tests.rpc.world import PATIENCE, Bank, Refusal, World, item, new_id, refused, transfer
from tests.waiting import eventually

SUBSCRIBE = "/esep.v1.NotificationService/Subscribe"


class Subscription:
    """A stream as a client reads it."""

    def __init__(
        self, bank: Bank, timeout: float | None = PATIENCE, stub: Any = None, *, ready: bool = True, **fields: Any
    ) -> None:
        if ready:
            bank.world.catch_up()
        request = api.SubscribeRequest(**{"language": LANGUAGE_EN, **fields})
        self.call: Any = (stub or bank.ledger.notifications).Subscribe(
            request, metadata=bank.ledger.metadata, timeout=timeout
        )

    def next(self) -> api.SubscribeResponse:
        answer: api.SubscribeResponse = next(self.call)
        return answer

    def past(self) -> list[pb.Notification]:
        """Return what is told until nothing more is there, and check that no checkpoint runs ahead."""
        told: list[pb.Notification] = []
        while True:
            message = self.next()
            told += message.notifications.notifications
            if message.HasField("caught_up"):
                return told

    def live(self) -> pb.Notification:
        """Return the next notification."""
        while True:
            message = self.next()
            if message.HasField("notifications"):
                (only,) = message.notifications.notifications
                return only

    def end(self) -> Refusal:
        """Read until the stream ends; return with what."""
        return refused(lambda: list(self.call))

    def cancel(self) -> None:
        self.call.cancel()


def cursors(told: list[pb.Notification]) -> list[tuple[int, int]]:
    return [(each.cursor.position, each.cursor.item) for each in told]


@pytest.fixture
def bank(world: World) -> Bank:
    """Give a bank whose customers have a card each, that nobody has bound."""
    return carded(Bank(world))


@pytest.fixture
def limited_bank(limited_bank: Bank) -> Bank:
    """Give the same where the server's settings deviate."""
    return carded(limited_bank)


def carded(bank: Bank) -> Bank:
    """Issue a card to both customers, and return the bank."""
    for serial, account in enumerate((bank.rich, bank.poor), 51):
        bank.call(bank.ledger.cards.IssueCard, issuing(bank, serial, account_id=account))
    return bank


def day(bank: Bank) -> None:
    """Let a few things happen."""
    bank.move(bank.rich, bank.poor, 1_000)
    request = authorizations.CreateAuthorizationRequest(
        request_id=new_id(),
        account_id=bank.rich,
        credit_account_id=bank.merchant,
        amount_tyiyn=700,
        kind=authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
        merchant_name="Dordoi 4111 1111 1111 1111",
    )
    bank.call(bank.ledger.authorizations.CreateAuthorization, request)
    bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.cash, bank.poor, 50_000, kind="salary"))
    bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.cash, bank.poor, 60_000, kind="pension"))


def many_transfers(bank: Bank) -> None:
    """Make more notifications than a narrow connection takes in."""
    items = [item(bank.rich, bank.poor, 1) for _ in range(4_000)]
    bank.call(bank.ledger.transfers.CreateTransfers, CreateTransfersRequest(transfers=items))


def narrow_channel(world: World) -> grpc.Channel:
    """Return a connection that takes in little more than is read."""
    options: list[tuple[str, int]] = [
        ("grpc.enable_retries", 0),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 65_536),
    ]
    return grpc.insecure_channel(world.address, options)


def stub_of(channel: grpc.Channel) -> Any:
    """Return the service behind a connection."""
    return NotificationServiceStub(channel)


def head(bank: Bank) -> common_pb2.LogPosition:
    return common_pb2.LogPosition(position=bank.world.log.head(0))


def listed(bank: Bank, page_size: int = 0, **fields: Any) -> list[pb.Notification]:
    """Return everything that is listed, page by page, oldest first."""
    found: list[pb.Notification] = []
    request = api.ListNotificationsRequest(
        **{"language": LANGUAGE_EN, "page_size": page_size, "min_position": head(bank), **fields}
    )
    while True:
        page = bank.call(bank.ledger.notifications.ListNotifications, request)
        found += page.notifications
        if not page.next_page_token:
            return found[::-1]
        request.page_token = page.next_page_token


@pytest.fixture
def told(bank: Bank) -> list[pb.Notification]:
    """Give what is told of a day."""
    day(bank)
    return listed(bank)


def test_a_day_is_told_in_order(bank: Bank, told: list[pb.Notification]) -> None:
    """Both customers of a transfer are told, each of their own side; banks and merchants are not."""
    seen = [(each.account_id, pb.NotificationKind.Name(each.kind)[18:], each.amount_tyiyn) for each in told]
    assert seen == [
        (bank.rich, "TRANSFER_SENT", 1_000),
        (bank.poor, "MONEY_IN", 1_000),
        (bank.rich, "HOLD_PLACED", 700),
        (bank.poor, "SALARY_CREDITED", 50_000),
        (bank.poor, "PENSION_CREDITED", 60_000),
    ]
    assert {each.channel for each in told} == {pb.NOTIFICATION_CHANNEL_PUSH}
    assert {(each.participant_id, each.customer_id, each.phone_number) for each in told} == {("bank-a", "", "")}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (LANGUAGE_KY, "Эмгек акы түштү: +500,00 сом. Кайдан: {other}. Эсеп {own}. "),
        (LANGUAGE_RU, "Зачислена заработная плата: +500,00 сом. Откуда: {other}. Счёт {own}. "),
        (LANGUAGE_EN, "Salary credited: +500.00 som. From: {other}. Account {own}. "),
    ],
)
def test_the_text_is_in_the_readers_language(bank: Bank, told: list[pb.Notification], language: Any, text: str) -> None:
    """The same notification is read in Kyrgyz, Russian or English."""
    (salary,) = [each for each in listed(bank, language=language) if each.kind == pb.NOTIFICATION_KIND_SALARY_CREDITED]
    expected = text.format(other=f"**** {str(bank.cash)[-4:]}", own=f"**** {str(bank.poor)[-4:]}")
    assert salary.text[:-16] == expected


def test_a_card_number_in_a_name_is_not_told(told: list[pb.Notification]) -> None:
    """What a merchant wrote into its name does not reach a screen as a card number."""
    (hold,) = [each for each in told if each.kind == pb.NOTIFICATION_KIND_HOLD_PLACED]
    assert hold.counterparty == "Dordoi 411111******1111"
    assert "To: Dordoi 411111******1111." in hold.text


def test_a_subscriber_that_is_cut_off_anywhere_misses_nothing(bank: Bank, told: list[pb.Notification]) -> None:
    """Resumed behind any cursor, a stream tells exactly the rest."""
    for index, last in enumerate(told):
        subscription = Subscription(bank, after=last.cursor)
        assert cursors(subscription.past()) == cursors(told[index + 1 :])
        subscription.cancel()


def test_what_happens_is_told_at_once_and_once(bank: Bank) -> None:
    """After the past, each thing that happens makes one message; another stream hears the same."""
    first, second = Subscription(bank), Subscription(bank)
    assert cursors(first.past()) == cursors(second.past())
    for amount in (10, 20, 30):
        bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.cash, bank.poor, amount))
        assert [each.live().amount_tyiyn for each in (first, second)] == [amount, amount]


def test_pages_and_streams_tell_the_same(bank: Bank, told: list[pb.Notification]) -> None:
    """Whatever the size of the pages, and by either way, each notification is read once."""
    subscription = Subscription(bank)
    assert subscription.past() == told
    for size in (1, 2, 5, 1_000):
        assert listed(bank, page_size=size) == told
    assert listed(bank, after=told[2].cursor) == told[3:]


def test_filters_keep_what_is_wanted(bank: Bank, told: list[pb.Notification]) -> None:
    """By bank, by customer and by channel; what is left has the same cursors as without a filter."""
    assert listed(bank, participant_id="bank-a") == told
    assert listed(bank, participant_id="bank-b") == []
    assert listed(bank, customer_id=new_id()) == []
    assert listed(bank, channel=pb.NOTIFICATION_CHANNEL_PUSH) == told
    assert listed(bank, channel=pb.NOTIFICATION_CHANNEL_SMS) == []


def test_a_filtered_stream_says_how_far_it_is(bank: Bank, told: list[pb.Notification]) -> None:
    """Where nothing is wanted, the cursor that comes with CaughtUp spares looking again."""
    subscription = Subscription(bank, participant_id="bank-b")
    message = subscription.next()
    assert message.caught_up.cursor == pb.NotificationCursor(position=bank.world.log.head(0), item=LAST_ITEM)


@pytest.mark.parametrize("settings", [{"heartbeat_seconds": 0.05}])
def test_a_quiet_stream_says_that_it_lives(limited_bank: Bank) -> None:
    """Without news a heartbeat comes, with the cursor to resume behind; also where others have news."""
    subscription = Subscription(limited_bank, participant_id="bank-b")
    subscription.past()
    limited_bank.move(limited_bank.rich, limited_bank.poor, 5)
    newest = limited_bank.world.log.head(0)
    eventually(lambda: subscription.next().heartbeat.cursor.position == newest)


def test_a_slow_reader_is_told_everything_and_nothing_is_kept_for_it(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that takes nothing holds a few pages at most; when it reads again, each notification comes once."""
    reader = bank.world._reader
    asked: list[int] = []
    real = reader.notices

    def counted(*arguments: Any, **options: Any) -> Any:
        asked.append(1)
        return real(*arguments, **options)

    many_transfers(bank)
    expected = cursors(listed(bank, page_size=1_000))
    monkeypatch.setattr(reader, "notices", counted)
    with narrow_channel(bank.world) as channel:
        subscription = Subscription(bank, stub=stub_of(channel))
        first = subscription.next()
        settled = -1
        while settled != len(asked):  # Until what the connection takes in by itself is full.
            settled = len(asked)
            time.sleep(0.3)
        assert len(asked) < len(expected) / 500 / 2
        assert cursors([*first.notifications.notifications, *subscription.past()]) == expected


def test_a_rebuilt_outbox_tells_nothing_twice(bank: Bank, told: list[pb.Notification]) -> None:
    """The outbox is dropped and made again under an open stream: old cursors hold, and nothing comes again."""
    subscription = Subscription(bank)
    assert subscription.past() == told
    rebuild(bank.world.log, bank.world._store, decode)
    assert listed(bank) == told
    bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.cash, bank.poor, 77))
    assert subscription.live().amount_tyiyn == 77


def test_tables_that_fall_back_under_a_stream_tell_nothing_twice(
    bank: Bank, told: list[pb.Notification], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables of an earlier position in place of the live ones: the stream waits for them, without asking on and on."""
    subscription = Subscription(bank)
    assert subscription.past() == told
    reader, store = bank.world._reader, bank.world._store
    asked: list[int] = []
    real = reader.notices

    def counted(*arguments: Any, **options: Any) -> Any:
        asked.append(1)
        return real(*arguments, **options)

    monkeypatch.setattr(reader, "notices", counted)
    earlier = store.create()
    Projector(bank.world.log, earlier, decode).step(0, upto=told[1].cursor.position)
    bank.world.hold_projections()
    store.publish(earlier)
    earlier.close()
    assert bank.world.projected == told[1].cursor.position
    time.sleep(0.5)  # A stream that asks on and on would have done so hundreds of times.
    assert bank.world.projected == told[1].cursor.position
    assert len(asked) <= 2
    bank.world.resume_projections()
    resumed = Subscription(bank, ready=False, after=told[-1].cursor)
    for amount in (77, 78):
        bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.cash, bank.poor, amount))
        assert [each.live().amount_tyiyn for each in (subscription, resumed)] == [amount] * 2
    assert len(asked) < 50
    assert cursors(listed(bank)[: len(told)]) == cursors(told)


def test_requests_are_refused_by_field(bank: Bank) -> None:
    """Cursors that no log gave, customers without an id, no language: each by its own path, for both methods."""
    wrong = pb.NotificationCursor(partition=7, position=-1, item=-1)

    def subscribed(**fields: Any) -> Refusal:
        return Subscription(bank, **fields).end()

    def paged(**fields: Any) -> Refusal:
        return refused(lambda: listed(bank, **fields))

    for call in (subscribed, paged):
        refusal = call(after=wrong, customer_id="me", channel=9, language=0)
        assert refusal.reason == "INVALID_ARGUMENT"
        assert refusal.fields == {
            "after.partition": "UNKNOWN",
            "after.position": "NEGATIVE",
            "after.item": "RANGE",
            "customer_id": "UUID",
            "channel": "UNKNOWN_VALUE",
            "language": "MISSING",
        }
        ahead = pb.NotificationCursor(position=bank.world.log.head(0) + 1)
        assert call(after=ahead).fields == {"after.position": "POSITION_IN_FUTURE"}


# The guard around streams.


def gauge(world: World) -> float | None:
    return world.registry.get_sample_value("esep_rpc_open_streams", {"method": SUBSCRIBE})


@pytest.mark.parametrize("settings", [{"max_streams": 2}])
def test_more_streams_than_the_server_serves_are_refused(limited_bank: Bank) -> None:
    """The limit is told, with a delay after which to try again; a stream that is closed makes room."""
    streams = [Subscription(limited_bank) for _ in range(2)]
    for stream in streams:
        stream.past()
    assert gauge(limited_bank.world) == 2
    refusal = Subscription(limited_bank).end()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    assert refusal.metadata["max_streams"] == "2"
    assert refusal.detail(error_details_pb2.RetryInfo()).retry_delay.seconds == 5
    streams[0].cancel()
    eventually(lambda: gauge(limited_bank.world) == 1)
    Subscription(limited_bank).past()


def test_streams_leave_room_for_calls() -> None:
    """Streams count among the concurrent calls, so a limit that leaves none for others is refused at the start."""
    with pytest.raises(ValueError, match="max_streams"):
        RpcSettings(development=True, max_streams=10, max_concurrent_calls=10)


def reading_threads() -> int:
    return sum(thread.name.startswith("esep-read") for thread in threading.enumerate())


@pytest.mark.parametrize("settings", [{"read_threads": 1}])
def test_idle_streams_hold_no_thread(limited_bank: Bank) -> None:
    """Thirty streams wait on the one thread that also answers questions, and it answers them."""
    streams = [Subscription(limited_bank) for _ in range(30)]
    for stream in streams:
        stream.past()
    for _ in range(5):
        request = BatchGetBalancesRequest(account_ids=[limited_bank.rich])
        found = limited_bank.call(limited_bank.ledger.statements.BatchGetBalances, request)
        assert found.balances[0].posted_tyiyn
    eventually(lambda: reading_threads() == 1)  # Those of a server that has just stopped end by themselves.
    limited_bank.call(limited_bank.ledger.transfers.CreateTransfer, transfer(limited_bank.cash, limited_bank.poor, 3))
    assert [stream.live().amount_tyiyn for stream in streams] == [3] * 30


def test_a_stream_outlives_the_servers_own_deadline(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream without a deadline lives; one with a deadline ends at its own, not at the server's."""
    with monkeypatch.context() as shortly:  # What the streams are told of is written in as much time as it takes.
        shortly.setattr(bank.world.edge._gate, "_max_deadline_seconds", 3.0)
        begun = time.monotonic()
        endless, bounded = Subscription(bank, timeout=None), Subscription(bank, timeout=6.0)
        endless.past()
        refusal = bounded.end()
    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - begun > 5.0
    bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.cash, bank.poor, 4))
    assert endless.live().amount_tyiyn == 4


def test_a_stream_that_ends_takes_no_other_with_it(bank: Bank) -> None:
    """What looks for news looks for all who wait, and not in the time of who waited first."""
    bounded = Subscription(bank, timeout=3.0)
    bounded.past()
    endless = Subscription(bank, timeout=None)
    endless.past()
    assert bounded.end().code is grpc.StatusCode.DEADLINE_EXCEEDED
    time.sleep(0.2)  # So that somebody looks after that deadline.
    bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.cash, bank.poor, 4))
    assert endless.live().amount_tyiyn == 4
    endless.cancel()


def test_nothing_of_an_exception_leaves_with_a_stream(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is uncaught in a stream is found in the log by the id that the caller is given."""

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the secret of the tables")

    monkeypatch.setattr(bank.world._reader, "notices", broken)
    with structlog.testing.capture_logs() as lines:
        refusal = Subscription(bank).end()
        eventually(lambda: any(line["event"] == "call" for line in lines))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in refusal.text + str(refusal.details)
    (uncaught,) = [line for line in lines if line["event"] == "uncaught"]
    assert uncaught["correlation_id"] == refusal.metadata["correlation_id"]


def test_one_line_and_one_count_per_stream(bank: Bank) -> None:
    """A stream is logged when it ends, with the number of its messages, and counted under its code."""
    bank.move(bank.rich, bank.poor, 1)
    with structlog.testing.capture_logs() as lines:
        stream = Subscription(bank)
        stream.past()  # One message with the past, one to say that it is over.
        assert not [line for line in lines if line.get("method") == SUBSCRIBE]
        stream.cancel()
        eventually(lambda: [line for line in lines if line.get("method") == SUBSCRIBE])
    (line,) = [line for line in lines if line.get("method") == SUBSCRIBE]
    assert (line["code"], line["reason"], line["messages"]) == ("CANCELLED", "", 2)
    labels = {"method": SUBSCRIBE, "code": "CANCELLED"}
    assert bank.world.registry.get_sample_value("esep_rpc_calls_total", labels) == 1
    assert bank.world.registry.get_sample_value("esep_rpc_streamed_messages_total", {"method": SUBSCRIBE}) == 2
    assert gauge(bank.world) == 0


def test_what_is_no_request_opens_no_stream(bank: Bank) -> None:
    """Bytes that are no message, and callers nobody knows, are refused as in any other method."""
    raw: Any = bank.ledger.channel.unary_stream(SUBSCRIBE)
    refusal = refused(lambda: list(raw(b"\xff", metadata=bank.ledger.metadata, timeout=PATIENCE)))
    assert refusal.fields == {"request": "UNDECODABLE"}
    bank.ledger.metadata = (("esep-caller", "not a name"),)
    assert Subscription(bank).end().reason == "PERMISSION_DENIED"
