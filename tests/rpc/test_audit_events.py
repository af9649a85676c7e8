"""Reading the log: every event once, in order, as it is stored; filters that keep what they say and nothing else."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import grpc
import pytest

from domain import ids
from domain.ports import Row
from ledger.audit import reading
from ledger.rpc import audit_reads
from ledger.rpc.intake import timestamp
from protos.esep.v1 import audit_pb2 as pb
from protos.esep.v1 import audit_service_pb2 as api
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CUSTOMER
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest
from tests.rpc.test_cards import issuing
from tests.rpc.world import PATIENCE, Bank, Refusal, World, item, new_id, refused
from tests.waiting import eventually


@pytest.fixture
def database_url(store_url: str) -> str:
    """Give each kind of store."""
    return store_url


def rows(world: World) -> list[Row]:
    """Return the log as it stands in the database."""
    return world.log.read(0, 0, 100_000)


def as_row(event: pb.Event) -> Row:
    """Return the row that an event must be told of."""
    requested = UUID(event.request_id).bytes if event.request_id else None
    recorded_at = event.record_time.ToMicroseconds()
    originator = UUID(event.aggregate_id).bytes
    return Row(
        0,
        event.position,
        originator,
        event.version,
        event.topic,
        event.state,
        recorded_at,
        requested,
        event.caller,
    )


def of_columns(columns: pb.EventColumns) -> list[Row]:
    """Return the rows that a message of a stream tells."""
    ids_of = [columns.aggregate_ids[start : start + 16] for start in range(0, len(columns.aggregate_ids), 16)]
    requests = [request or None for request in columns.request_ids]
    return [
        Row(0, *each)
        for each in zip(
            columns.positions,
            ids_of,
            columns.versions,
            columns.topics,
            columns.states,
            columns.record_time_micros,
            requests,
            columns.callers,
            strict=True,
        )
    ]


def pages(bank: Bank, **asked: Any) -> list[list[Row]]:
    """Read all pages of a question."""
    found, request = [], api.ReadEventsRequest(**asked)
    while True:
        answer = bank.call(bank.ledger.audit.ReadEvents, request)
        found.append([as_row(event) for event in answer.events])
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


def read(bank: Bank, **asked: Any) -> list[Row]:
    return [row for page in pages(bank, **asked) for row in page]


class Stream:
    """A stream of events as a client reads it."""

    def __init__(self, bank: Bank, timeout: float | None = PATIENCE, **asked: Any) -> None:
        request = api.SubscribeEventsRequest(**asked)
        self.call: Any = bank.ledger.audit.SubscribeEvents(request, metadata=bank.ledger.metadata, timeout=timeout)

    def past(self) -> tuple[list[Row], int]:
        """Return what is sent until it has caught up, and where that is."""
        told: list[Row] = []
        for message in self.call:
            if message.HasField("events"):
                told += of_columns(message.events)
            if message.HasField("checkpoint"):
                assert not told or told[-1].position <= message.checkpoint.position.position
            if message.HasField("caught_up"):
                return told, message.caught_up.position.position
        raise AssertionError("the stream ended")

    def next(self, kind: str) -> Any:
        """Return the next message of a kind."""
        return next(getattr(message, kind) for message in self.call if message.HasField(kind))

    def end(self) -> Refusal:
        return refused(lambda: list(self.call))


def test_all_pages_together_are_the_log(bank: Bank) -> None:
    """Every field of every event is told as it is stored, each event once, in order."""
    bank.move(bank.rich, bank.poor, 1_000)
    told = pages(bank, page_size=3)
    assert [row for page in told for row in page] == rows(bank.world)
    assert {len(page) for page in told[:-1]} == {3}


def test_pages_end_where_the_first_one_began(bank: Bank) -> None:
    """What happens while somebody turns pages is not theirs: a list that grows would have no last page."""
    request = api.ReadEventsRequest(page_size=2)
    first = bank.call(bank.ledger.audit.ReadEvents, request)
    bank.move(bank.rich, bank.poor, 1_000)
    told = [*first.events]
    while first.next_page_token:
        request.page_token = first.next_page_token
        first = bank.call(bank.ledger.audit.ReadEvents, request)
        told += first.events
    assert told[-1].position == first.position.position == bank.world.log.head(0) - 1


def test_a_range_of_positions_holds_both_its_ends(bank: Bank) -> None:
    """From the first position that counts to the last one that counts."""
    assert [row.position for row in read(bank, first_position=3, last_position=5)] == [3, 4, 5]


def test_a_range_of_time_holds_its_start_and_not_its_end(bank: Bank) -> None:
    """So that two ranges that follow each other hold every event once."""
    bank.move(bank.rich, bank.poor, 1_000)
    stored = rows(bank.world)
    start, end = (timestamp(stored[index].recorded_at) for index in (2, 5))
    assert read(bank, start_time=start, end_time=end) == stored[2:5]
    assert read(bank, start_time=end) == stored[5:]
    assert read(bank, end_time=start) == stored[:2]


def test_topics_keep_what_they_name(bank: Bank) -> None:
    """One topic or several."""
    bank.move(bank.rich, bank.poor, 1_000)
    wanted = ["transfer.posted.v1", "engine.started.v1"]
    told = read(bank, filter=pb.EventFilter(topics=wanted))
    assert told == [row for row in rows(bank.world) if row.topic in wanted]
    assert {row.topic for row in told} == set(wanted)


def test_an_aggregate_is_its_own_events(bank: Bank) -> None:
    """Found along an index of their own."""
    moved = UUID(bank.move(bank.rich, bank.poor, 1_000).transfer.transfer_id)
    told = read(bank, filter=pb.EventFilter(aggregate_id=str(moved)))
    assert [row.originator_id for row in told] == [moved.bytes]


def test_an_account_is_its_own_events_and_those_that_name_it(bank: Bank) -> None:
    """Its opening, and every movement on either side of it; none of another account, however alike its number."""
    bank.move(bank.rich, bank.poor, 1_000)
    bank.move(bank.rich, bank.merchant, bank.poor % 1_000_000_000)
    told = read(bank, filter=pb.EventFilter(account_id=bank.poor))
    assert [row.topic for row in told] == ["account.opened.v1", "transfer.posted.v1"]
    assert told[0].originator_id == ids.account_originator(bank.poor)
    assert str(bank.poor).encode() in told[1].state


def test_an_amount_that_is_an_accounts_number_names_no_account(bank: Bank) -> None:
    """A number stands for an account only where a field says that it does."""
    rich = bank.open(ACCOUNT_KIND_CUSTOMER, overdraft_limit_tyiyn=bank.poor)
    told = read(bank, filter=pb.EventFilter(account_id=bank.poor, topics=["account.opened.v1"]))
    assert rich not in [int.from_bytes(row.originator_id, "big") for row in told]
    assert len(told) == 1


def test_a_card_is_its_own_events_and_those_that_name_it(bank: Bank) -> None:
    """Its issue, and whatever else holds its id."""
    issued = bank.call(bank.ledger.cards.IssueCard, issuing(bank, 51, account_id=bank.rich)).card
    bank.call(bank.ledger.cards.IssueCard, issuing(bank, 52, account_id=bank.rich))
    told = read(bank, filter=pb.EventFilter(card_id=issued.card_id))
    assert "card.issued.v1" in [row.topic for row in told]
    text = issued.card_id.encode()
    own = UUID(issued.card_id).bytes
    assert told == [row for row in rows(bank.world) if row.originator_id == own or text in row.state]
    assert len([row for row in rows(bank.world) if row.topic == "card.issued.v1"]) == 2


def test_a_page_looks_at_a_bounded_number_of_events(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may hold nothing and not be the last: a filter that keeps nothing must not read a history at once."""
    monkeypatch.setattr(reading, "MOST_LOOKED_AT", 2)
    bank.move(bank.rich, bank.poor, 1_000)
    told = pages(bank, filter=pb.EventFilter(topics=["transfer.posted.v1"]))
    assert [] in told
    assert [row.topic for page in told for row in page] == ["transfer.posted.v1"] * 2


def test_a_page_is_no_larger_than_clients_accept(bank: Bank) -> None:
    """However large its events are: gRPC's clients refuse what is longer than 4 MiB, and could never turn the page."""
    tags = {f"{number:032}": "x" * 64 for number in range(8)}
    for _ in range(3):
        batch = [item(bank.rich, bank.poor, 10**9, reference="x" * 64, tags=tags) for _ in range(1_900)]
        request = CreateTransfersRequest(request_id=new_id(), atomic=True, transfers=batch)
        assert bank.refused(bank.ledger.transfers.CreateTransfers, request).reason == "INSUFFICIENT_FUNDS"
    assert max(len(row.state) for row in rows(bank.world)) > 3 << 19
    assert read(bank, page_size=1_000) == rows(bank.world)


def test_a_page_token_is_bound_to_its_question(bank: Bank) -> None:
    """With another filter it is refused: it would go on in the middle of something else."""
    first = bank.call(bank.ledger.audit.ReadEvents, api.ReadEventsRequest(page_size=1))
    other = api.ReadEventsRequest(page_size=1, page_token=first.next_page_token, first_position=2)
    assert bank.refused(bank.ledger.audit.ReadEvents, other).reason == "PAGE_TOKEN_INVALID"


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"partition": 1}, "partition", "UNKNOWN"),
    ({"first_position": -1}, "first_position", "NEGATIVE"),
    ({"first_position": 10**6}, "first_position", "POSITION_IN_FUTURE"),
    ({"last_position": 10**6}, "last_position", "POSITION_IN_FUTURE"),
    ({"first_position": 3, "last_position": 2}, "last_position", "ORDER"),
    ({"start_time": timestamp(2), "end_time": timestamp(2)}, "end_time", "ORDER"),
    ({"filter": pb.EventFilter(topics=["transfer.posted.v9"])}, "filter.topics[0]", "UNKNOWN_VALUE"),
    ({"filter": pb.EventFilter(topics=["transfer.posted.v1"] * 101)}, "filter.topics", "LENGTH"),
    ({"filter": pb.EventFilter(aggregate_id="x")}, "filter.aggregate_id", "UUID"),
    ({"filter": pb.EventFilter(card_id="x")}, "filter.card_id", "UUID"),
    ({"filter": pb.EventFilter(account_id=-1)}, "filter.account_id", "RANGE"),
    ({"page_size": -1}, "page_size", "NEGATIVE"),
]


@pytest.mark.parametrize(("asked", "field", "rule"), WRONG, ids=[f"{field}-{rule}" for _, field, rule in WRONG])
def test_a_wrong_question_is_told_where(bank: Bank, asked: dict[str, Any], field: str, rule: str) -> None:
    """By the path of the field, and what is wrong with it."""
    refusal = bank.refused(bank.ledger.audit.ReadEvents, api.ReadEventsRequest(**asked))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields == {field: rule}


def test_a_stream_sends_the_log_and_then_what_happens(bank: Bank) -> None:
    """Every event once, in order, as it is stored; then those to come, as they come."""
    stream = Stream(bank)
    told, reached = stream.past()
    assert told == rows(bank.world)
    assert reached == told[-1].position
    bank.move(bank.rich, bank.poor, 1_000)
    assert of_columns(stream.next("events")) == rows(bank.world)[reached:]
    stream.call.cancel()


def test_a_stream_goes_on_behind_a_position(bank: Bank) -> None:
    """What was read before it was cut off is not sent again."""
    stream = Stream(bank, after=LogPosition(position=4))
    assert [row.position for row in stream.past()[0]] == list(range(5, bank.world.log.head(0) + 1))
    stream.call.cancel()


def test_a_stream_keeps_what_is_wanted_and_says_how_far_it_is(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of rare events resumes where the stream was, not where the last of them stood."""
    monkeypatch.setattr(audit_reads, "CHECKPOINT_POSITIONS", 1)
    bank.move(bank.rich, bank.poor, 1_000)
    stream = Stream(bank, filter=pb.EventFilter(topics=["engine.started.v1"]))
    told, reached = stream.past()
    assert [row.topic for row in told] == ["engine.started.v1"]
    assert reached == bank.world.log.head(0)
    bank.move(bank.rich, bank.poor, 1_000)
    assert stream.next("checkpoint").position.position == reached + 1
    stream.call.cancel()


@pytest.mark.parametrize("settings", [{"heartbeat_seconds": 0.05}])
def test_a_quiet_stream_says_that_it_lives(limited_bank: Bank) -> None:
    """With the position behind which a reader may resume."""
    stream = Stream(limited_bank)
    _, reached = stream.past()
    assert stream.next("heartbeat").position.position == reached
    stream.call.cancel()


@pytest.mark.parametrize(
    ("after", "field", "rule"),
    [
        (LogPosition(position=10**6), "after.position", "POSITION_IN_FUTURE"),
        (LogPosition(position=-1), "after.position", "NEGATIVE"),
        (LogPosition(partition=1), "after.partition", "UNKNOWN"),
    ],
)
def test_a_stream_from_nowhere_is_refused(bank: Bank, after: LogPosition, field: str, rule: str) -> None:
    """A position that is not there is another log's."""
    assert Stream(bank, after=after).end().fields == {field: rule}


@pytest.mark.parametrize("settings", [{"max_streams": 1}])
def test_streams_of_events_count_among_all_streams(limited_bank: Bank) -> None:
    """One limit for all of them: each holds a page of the server's memory."""
    first = Stream(limited_bank)
    first.past()
    assert Stream(limited_bank).end().reason == "TOO_MANY_STREAMS"
    first.call.cancel()


def test_a_server_that_stops_says_so_to_its_streams(bank: Bank) -> None:
    """A reader knows that it may subscribe again."""
    stream = Stream(bank)
    stream.past()
    stopping = bank.world.begin(lambda: bank.world.edge.stop(PATIENCE))
    refusal = stream.end()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    stopping.result(2 * PATIENCE)


def test_a_reader_that_takes_nothing_makes_the_server_read_nothing(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pages are read ahead for a slow reader, and no more: the rest stays in the log."""
    reads: list[int] = []
    real: Callable[..., Any] = reading.TableReader.table_piece

    def counted(self: reading.TableReader, wanted: Any, after: int, upto: int, limit: int) -> Any:
        reads.append(after)
        return real(self, wanted, after, upto, limit)

    monkeypatch.setattr(reading.TableReader, "table_piece", counted)
    monkeypatch.setattr(audit_reads, "AT_ONCE", 50)
    tags = {f"{number:032}": "x" * 64 for number in range(8)}  # as much text as one may have
    for _ in range(12):
        batch = [item(bank.rich, bank.poor, 1, reference="x" * 64, tags=tags) for _ in range(1_000)]
        bank.call(bank.ledger.transfers.CreateTransfers, CreateTransfersRequest(transfers=batch))
    stream = Stream(bank)
    first = of_columns(next(stream.call).events)
    eventually(lambda: len(reads) > 1 and settled(reads) == len(reads))
    assert len(reads) < 12_000 // 50
    told, _ = stream.past()
    assert first + told == rows(bank.world)
    stream.call.cancel()


def settled(reads: list[int]) -> int:
    """Return how many reads there were a moment ago."""
    before = len(reads)
    time.sleep(0.2)
    return before
