"""Who reads what is noted before it is answered; what cannot be noted is not answered."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf import text_format
from google.protobuf.json_format import Parse
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.audit.access import BEFORE_THE_FIRST, Access, Note, check
from ledger.log.errors import LogUnavailable
from ledger.rpc.accesses import WITHHELD
from ledger.rpc.callers import Role
from ledger.rpc.permissions import PRIVILEGED_READS
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import audit_pb2 as pb
from protos.esep.v1 import audit_service_pb2 as api
from protos.esep.v1.customer_service_pb2 import GetCustomerRequest
from protos.esep.v1.participant_service_pb2 import ListParticipantsRequest
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest, GetTrialBalanceRequest
from tests.rpc.world import Bank, World, refused
from tests.security.scenes import OWN_BANK, Caller

READ = "/esep.v1.AuditService/ReadEvents"
LIST = "/esep.v1.AuditService/ListAccess"


@pytest.fixture
def database_url(store_url: str) -> str:
    """Give each kind of store."""
    return store_url


def noted(world: World) -> list[Note]:
    """Return everything that was noted."""
    return [access.note for access in world.access_log.read(after=0, upto=1_000, limit=1_000)]


def test_a_read_is_noted_with_who_when_and_what(bank: Bank) -> None:
    """With every filter, so that somebody may ask later what exactly was looked for."""
    auditor = Caller(bank.world, Role.AUDITOR)
    asked = api.ReadEventsRequest(
        first_position=2, filter=pb.EventFilter(account_id=bank.rich, topics=["card.bound.v1"])
    )
    before = bank.world.clock.now()
    auditor.call(READ, asked)
    (note,) = noted(bank.world)
    assert (note.role, note.method) == ("auditor", "AuditService/ReadEvents")
    assert note.caller == "somebody"
    assert before <= note.at <= bank.world.clock.now()
    assert Parse(note.request, api.ReadEventsRequest()) == asked


def test_a_question_that_has_no_form_in_json_is_noted_and_refused(bank: Bank) -> None:
    """A time beyond the calendar is the asker's mistake, and what was asked can still be read."""
    auditor = Caller(bank.world, Role.AUDITOR)
    asked = api.ReadEventsRequest(start_time=Timestamp(seconds=1 << 40))
    with pytest.raises(grpc.RpcError) as refusal:
        auditor.call(READ, asked)
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    (note,) = noted(bank.world)
    assert text_format.Parse(note.request, api.ReadEventsRequest()) == asked


def test_a_stream_is_noted_once_when_it_is_opened(bank: Bank) -> None:
    """Not at every message."""
    auditor = Caller(bank.world, Role.AUDITOR)
    stream: Any = bank.ledger.audit.SubscribeEvents(api.SubscribeEventsRequest(), metadata=auditor.metadata)
    next(stream)
    next(stream)
    stream.cancel()
    assert [note.method for note in noted(bank.world)] == ["AuditService/SubscribeEvents"]


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.OPERATOR])
def test_other_reads_of_those_who_may_read_everything_are_noted(bank: Bank, role: Role) -> None:
    """A balance that an auditor looks at is somebody's balance."""
    caller = Caller(bank.world, role)
    caller.call("/esep.v1.StatementService/GetTrialBalance", GetTrialBalanceRequest())
    caller.call("/esep.v1.AccountService/GetAccount", accounts.GetAccountRequest(account_id=bank.rich))
    assert [note.method for note in noted(bank.world)] == [
        "StatementService/GetTrialBalance",
        "AccountService/GetAccount",
    ]


def test_reads_of_ones_own_and_of_what_everybody_may_read_are_not_noted(bank: Bank) -> None:
    """A bank that reads its own accounts, and a list that is open to everybody."""
    bank.world.catch_up()
    Caller(bank.world, Role.BANK, OWN_BANK).call(
        "/esep.v1.StatementService/GetBalance", GetBalanceRequest(account_id=bank.rich)
    )
    Caller(bank.world, Role.AUDITOR).call("/esep.v1.ParticipantService/ListParticipants", ListParticipantsRequest())
    assert noted(bank.world) == []


def test_writes_are_not_noted() -> None:
    """They stand in the ledger's own log, with their caller."""
    written = ("Create", "Open", "Post", "Approve", "Set", "Register", "Erase", "Verify", "Send")
    assert not [name for name in PRIVILEGED_READS if name.rpartition("/")[2].startswith(written)]
    assert READ in PRIVILEGED_READS


def test_a_read_that_is_refused_for_want_of_permission_is_not_noted(bank: Bank) -> None:
    """Nothing was read."""
    with pytest.raises(grpc.RpcError):
        Caller(bank.world, Role.BANK, OWN_BANK).call(READ, api.ReadEventsRequest())
    assert noted(bank.world) == []


def test_what_cannot_be_noted_is_not_answered(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor who could read without a trace would."""

    def unavailable(_: Note) -> Access:
        raise LogUnavailable("no")

    monkeypatch.setattr(bank.world.access_log, "note", unavailable)
    refusal = bank.refused(bank.ledger.audit.ReadEvents, api.ReadEventsRequest())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "LEDGER_UNAVAILABLE")
    stream = bank.ledger.audit.SubscribeEvents(api.SubscribeEventsRequest(), metadata=bank.ledger.metadata)
    assert refused(lambda: list(stream)).reason == "LEDGER_UNAVAILABLE"


def test_what_tells_of_a_person_is_not_noted(bank: Bank) -> None:
    """A telephone number in a question would stand in the log of reads for ever."""
    with pytest.raises(grpc.RpcError):
        Caller(bank.world, Role.OPERATOR).call(
            "/esep.v1.CustomerService/GetCustomer", GetCustomerRequest(phone_number="+996555123456")
        )
    (note,) = noted(bank.world)
    assert json.loads(note.request) == {"phone_number": WITHHELD}


def test_reads_are_listed_with_the_reading_of_the_list(bank: Bank) -> None:
    """Page by page, in order, in a chain that can be checked by anybody; looking at it is noted as well."""
    for position in (1, 2, 3):
        bank.call(bank.ledger.audit.ReadEvents, api.ReadEventsRequest(first_position=position))
    told: list[pb.Access] = []
    request = api.ListAccessRequest(page_size=2)
    while True:
        answer = bank.call(bank.ledger.audit.ListAccess, request)
        told += answer.accesses
        request.page_token = answer.next_page_token
        if not request.page_token:
            break
    assert [access.method.rpartition("/")[2] for access in told] == ["ReadEvents"] * 3 + ["ListAccess"]
    check(
        Access(
            each.number,
            Note(each.access_time.ToMicroseconds(), each.caller, each.role, each.method, each.request),
            bytes.fromhex(each.digest),
        )
        for each in told
    )
    assert told[0].digest != BEFORE_THE_FIRST.hex()


def test_reads_are_listed_by_caller_and_time(bank: Bank) -> None:
    """Whom, and when."""
    Caller(bank.world, Role.AUDITOR).call(READ, api.ReadEventsRequest())
    bank.call(bank.ledger.audit.ReadEvents, api.ReadEventsRequest())
    first, second = bank.world.access_log.read(after=0, upto=2, limit=2)
    of_bank = bank.call(bank.ledger.audit.ListAccess, api.ListAccessRequest(caller=bank.caller, page_size=1))
    assert [access.number for access in of_bank.accesses] == [2]
    request = api.ListAccessRequest()
    request.start_time.FromMicroseconds(first.note.at)
    request.end_time.FromMicroseconds(second.note.at)
    assert [access.number for access in bank.call(bank.ledger.audit.ListAccess, request).accesses] == [1]
    request.end_time.FromMicroseconds(first.note.at)
    assert bank.refused(bank.ledger.audit.ListAccess, request).fields == {"end_time": "ORDER"}


def test_noting_leaves_the_ledgers_own_log_alone(bank: Bank) -> None:
    """A read takes no position among the movements of money."""
    head = bank.world.log.head(0)
    bank.call(bank.ledger.audit.ReadEvents, api.ReadEventsRequest())
    assert bank.world.log.head(0) == head
