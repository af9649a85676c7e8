"""Every command of the domain, carried out and declined over the wire, and decided again: the same comes of it.

The commands are discovered, not listed: one that is added must be carried out and declined here, or be named as one
that cannot be. The specs of the domain do the same with every decision that they make (see ``tests.domain.replayed``).
"""

import threading
from collections import defaultdict
from contextlib import nullcontext
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

import pytest

from domain import token_counter
from domain.command import Command
from domain.event import Event
from domain.refusals import Kind, Reason
from domain.settle import AskProvider
from domain.tokenise import RecordInactivity
from domain.transfer import CreateTransfer
from domain.transit import CompleteTransfer, OpenClearing, ReceiveTransfer, ReturnTransfer
from ledger.audit.replay.rebuild_declined import commands
from ledger.audit.replay.replayer import NoDecisionError, Replayed, Replayer, Verdict
from ledger.engine.tickets import CommandTicket
from ledger.log.codec import decode
from protos.esep.v1 import account_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.card_service_pb2 import CloseCardRequest
from tests.rpc.credit_bank import Payer as Employer
from tests.rpc.credit_bank import to_account, to_card, to_number
from tests.rpc.crossing_cases import CROSSING_CASES, ELSEWHERE, TWO
from tests.rpc.every_write import EVERY_WRITE
from tests.rpc.stage import Stage
from tests.rpc.test_refusals import CASES, authorize, capture, held
from tests.rpc.world import PATIENCE, Bank, World, item, new_id, transfer

DAY: Final = 86_400_000_000
OTHERS: Final = {CreateTransfer.NAME, "create_transfers", "credit_line", "expire"}
"""What is decided and is no command: transfers, batches, lines of credit files, and what the ledger does by itself."""
DECIDED: Final = sorted({name for name, kind in commands().items() if kind.__module__.startswith("domain.")} | OTHERS)
MADE_UP: Final = {Reason.LIMIT_EXCEEDED: "its case puts a field into the command that no request can have"}
"""Reasons whose case over the wire is none of the contract's; the specs of quotes, payments and taps decide them."""
FINAL: Final = [reason for reason in Reason if reason.value.kind is Kind.STATE and reason not in MADE_UP]


def decided_again(world: World) -> list[tuple[Event, Replayed]]:
    """Decide everything again that a log holds; return it with the events that are the outcomes."""
    replayer, found = Replayer(world.log, 0, world.policy), []
    for row in world.log.read(0, 0, 100_000):
        try:
            found.append((decode(row.topic, row.state), replayer.replay(row.position)))
        except NoDecisionError:
            continue
    return found


def assert_same(event: Event, replayed: Replayed) -> None:
    """Check that the same came of deciding again: outcome, reason, and the request by its fingerprint."""
    assert (replayed.verdict, replayed.differences, replayed.missing) == (Verdict.SAME, [], ()), replayed
    assert replayed.replayed_reason == replayed.recorded_reason
    assert replayed.fingerprint_checked == bool(getattr(event, "fingerprint", ""))
    assert replayed.policy_recorded


def by_the_ledger(world: World, command: Command, request_id: str) -> None:
    """Carry out what no method of the contract asks for."""
    done = threading.Event()
    ticket = CommandTicket(command, UUID(request_id).bytes, "esep", deliver=lambda _: done.set())
    world.engine.submit(ticket)
    assert done.wait(PATIENCE)


def more(stage: Stage) -> None:
    """Carry out what the methods' own requests leave out."""
    bank = stage.bank
    for amount in (1, 10**12):
        both = [item(bank.rich, bank.poor, each, request_id=new_id()) for each in (1, amount)]
        batch = transfers.CreateTransfersRequest(request_id=new_id(), atomic=True, transfers=both)
        (bank.call if amount == 1 else bank.refused)(bank.ledger.transfers.CreateTransfers, batch)
    closed = bank.open(account_pb2.ACCOUNT_KIND_CUSTOMER)
    bank.call(bank.ledger.accounts.CloseAccount, accounts.CloseAccountRequest(request_id=new_id(), account_id=closed))
    employer = Employer(bank)
    holder = stage.issued()
    stage.call("/esep.v1.CardService/CloseCard", CloseCardRequest(request_id=new_id(), card_id=holder.card_id))
    paid = [to_account(1, bank.poor, 5), to_account(2, closed, 2), to_account(3, 999, 1)]
    paid += [to_card(4, holder.card_id, 1), to_card(5, new_id(), 1), to_number(6, "1280016000009999", 1)]
    employer.post(employer.open(6, 11), paid)
    partly = authorize(bank, 10**12, account_id=bank.poor, accept_partial=True)
    bank.move(bank.cash, bank.poor, 10)
    bank.move(bank.cash, bank.rich, 10_000)
    stage.call("/esep.v1.AuthorizationService/CreateAuthorization", partly)
    of_acquirer: Any = capture(held(bank), 500, new_id())
    of_acquirer.acquirer_id = "acq-1"
    stage.call("/esep.v1.AuthorizationService/CaptureAuthorization", of_acquirer)
    by_the_ledger(stage.world, AskProvider(payment_id=UUID(stage.waiting()), attempt=2), new_id())
    held(bank, 1)
    token = UUID(stage.provisioned().token_id)
    stage.world.clock.ahead += 31 * DAY
    held(bank, 1)
    by_the_ledger(stage.world, RecordInactivity(token_id=token), new_id())
    by_the_ledger(stage.world, RecordInactivity(token_id=token), new_id())


def cross(bank: Bank) -> None:
    """Carry out what a courier does with transfers between partitions, as partition 0 of two."""
    world = bank.world
    by_the_ledger(world, OpenClearing(currency="KGS"), new_id())
    sent = [bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, ELSEWHERE, 5)) for _ in range(2)]
    done, returned = (UUID(each.transfer.transfer_id) for each in sent)
    by_the_ledger(world, CompleteTransfer(transfer_id=done, position=7), new_id())
    by_the_ledger(world, ReturnTransfer(transfer_id=returned, position=8, reason="ACCOUNT_CLOSED"), new_id())
    for payee in (bank.poor, 999):
        received = ReceiveTransfer(
            transfer_id=UUID(new_id()),
            home=1,
            sent_at=1,
            debit_account_id=ELSEWHERE,
            credit_account_id=payee,
            amount_tyiyn=3,
            currency="KGS",
            kind="transfer",
        )
        by_the_ledger(world, received, new_id())


@pytest.fixture(scope="module")
def carried_out(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Event, Replayed]]]:
    """Carry out every write of the contract, and more, on one ledger; give what came of deciding it again, by name."""
    with Stage(tmp_path_factory.mktemp("ledger")) as stage:
        for method, make in EVERY_WRITE.items():
            stage.call(method, make(stage))
        more(stage)
        decided = decided_again(stage.world)
    with World(tmp_path_factory.mktemp("crossings"), policy=TWO) as world:
        cross(Bank(world))
        decided += decided_again(world)
    found = defaultdict(list)
    for event, replayed in decided:
        found[replayed.command].append((event, replayed))
    return found


@pytest.mark.parametrize("name", DECIDED)
def test_what_was_carried_out_is_decided_the_same_again(
    name: str, carried_out: dict[str, list[tuple[Event, Replayed]]]
) -> None:
    """Byte for byte, and the rebuilt request has the fingerprint of the one that was sent."""
    done = [each for each in carried_out[name] if not each[1].recorded_reason]
    assert done, f"nothing carries {name} out"
    for event, replayed in carried_out[name]:
        assert_same(event, replayed)


def test_nothing_else_was_decided(carried_out: dict[str, list[tuple[Event, Replayed]]]) -> None:
    """No decision is of a name that this walk does not know."""
    assert set(carried_out) <= set(DECIDED)


@pytest.mark.parametrize(
    ("reason", "settings"),
    [(reason, {"max_streams": 1, "policy": TWO if reason in CROSSING_CASES else None}) for reason in FINAL],
    ids=[reason.name for reason in FINAL],
)
def test_what_was_declined_is_declined_again(reason: Reason, limited_bank: Bank) -> None:
    """For the same reason, with the same figures; and whatever led up to it is decided the same."""
    CASES[reason](limited_bank)
    patched = reason is Reason.COUNTER_NEAR_END  # As if the counter's end were near: so it was in its case.
    with patch.object(token_counter, "LAST", 0) if patched else nullcontext():
        found = [each for each in decided_again(limited_bank.world) if not patched or each[1].recorded_reason]
    assert [replayed for _, replayed in found if replayed.recorded_reason == reason.name]
    for event, replayed in found:
        assert_same(event, replayed)
