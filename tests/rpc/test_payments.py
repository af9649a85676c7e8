"""Payments at the edge: what happens between two steps of one."""

from pathlib import Path
from uuid import UUID

import pytest

from domain.ids import derived_id
from domain.money import MAX_BALANCE
from domain.payment import Payment
from domain.settle import Answer
from ledger.rpc.payments import Payments
from ledger.rpc.providers import SILENCE, Beneficiary, Delivery, GrpcProviders, Order
from protos.esep.v1 import account_pb2, payment_pb2
from protos.esep.v1 import payment_service_pb2 as api
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest
from tests.paying import SECONDS, WATER, Scheme
from tests.rpc.world import World, item, refused
from tests.waiting import eventually

LARGEST = 10**15
SUCCEEDED = payment_pb2.PAYMENT_STATE_SUCCEEDED
DELIVERED = api.PAYMENT_ANSWER_DELIVERED


def test_nothing_is_ordered_for_somebody_who_is_erased_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose key is destroyed between the confirmation and the order pays for no account "[erased]"; the hold stays."""
    orders: list[Order] = []
    order = Payments._order
    with World(tmp_path) as world:

        async def check(*_: object) -> Beneficiary:
            return Beneficiary(known=True, masked_name="")

        async def deliver(_: GrpcProviders, order: Order) -> Delivery:
            orders.append(order)
            return Delivery(Answer.DELIVERED)

        async def erased(self: Payments, payment: Payment) -> Order:
            world.vault.vault.destroy(payment.details.customer.bytes, world.clock.now())
            return await order(self, payment)

        monkeypatch.setattr(GrpcProviders, "check", check)
        monkeypatch.setattr(GrpcProviders, "deliver", deliver)
        scheme = Scheme(world.client(), tmp_path / "confirmation-codes")
        payer = scheme.payer()
        prepared = scheme.prepare(scheme.service(payer))
        monkeypatch.setattr(Payments, "_order", erased)
        confirmed = scheme.confirm(prepared).payment
        assert (orders, confirmed.state) == ([], payment_pb2.PAYMENT_STATE_UNRESOLVED)
        assert scheme.figures(payer.account_id)[1] == prepared.total_tyiyn


@pytest.mark.parametrize("by", [payment_pb2.PAYMENT_DECIDER_PROVIDER, payment_pb2.PAYMENT_DECIDER_OPERATOR])
def test_a_yes_that_was_declined_is_decided_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: payment_pb2.PaymentDecider.ValueType
) -> None:
    """Declined while the payee's account is full, posted once when there is room: told again, or by an operator."""
    said, taken = [SILENCE], [Answer.UNKNOWN]
    take = Payments._take
    with World(tmp_path, provider_poll_seconds=0.02, provider_patience_seconds=0.02) as world:

        async def check(*_: object) -> Beneficiary:
            return Beneficiary(known=True, masked_name="")

        async def answer(*_: object) -> Delivery:
            return said.pop() if len(said) > 1 else said[0]

        async def noted(self: Payments, payment: Payment, said: Delivery) -> None:
            try:
                await take(self, payment, said)
            finally:
                taken.append(said.answer)

        monkeypatch.setattr(GrpcProviders, "check", check)
        monkeypatch.setattr(GrpcProviders, "deliver", answer)
        monkeypatch.setattr(GrpcProviders, "status", answer)
        monkeypatch.setattr(Payments, "_take", noted)
        monkeypatch.setattr("ledger.rpc.payments._LONGEST_PAUSE", 0.05)
        scheme = Scheme(world.client(), tmp_path / "confirmation-codes")
        prepared = scheme.prepare(scheme.service(scheme.payer()))
        payment_id, water = UUID(prepared.payment_id).bytes, scheme.payees[WATER].account_id
        scheme.confirm(prepared)
        cash = scheme.open(account_pb2.ACCOUNT_KIND_CASH)
        move(scheme, cash, water, MAX_BALANCE)
        said.append(Delivery(Answer.DELIVERED))
        eventually(lambda: Answer.DELIVERED in taken)
        assert world.log.find(0, [derived_id(payment_id, "answer:delivered")])
        assert refused(lambda: scheme.decide(prepared.payment_id, DELIVERED)).reason == "BALANCE_LIMIT"
        assert scheme.get(prepared.payment_id).state != SUCCEEDED
        move(scheme, water, cash, LARGEST)
        if by == payment_pb2.PAYMENT_DECIDER_OPERATOR:
            scheme.decide(prepared.payment_id, DELIVERED)
        else:
            said[0] = Delivery(Answer.DELIVERED)
        eventually(lambda: scheme.get(prepared.payment_id).state == SUCCEEDED)
        assert scheme.get(prepared.payment_id).decided_by == by
        assert scheme.figures(water) == (MAX_BALANCE - LARGEST + prepared.amount_tyiyn, 0)
        again = refused(lambda: scheme.answer(prepared.payment_id, DELIVERED))
        assert again.reason == "PAYMENT_ALREADY_ANSWERED"
        topics = [row.topic for row in world.log.aggregate(0, payment_id)]
        assert topics.count("payment.succeeded.v1") == 1


def move(scheme: Scheme, debit: int, credit: int, amount: int) -> None:
    """Move more than one transfer may."""
    whole, rest = divmod(amount, LARGEST)
    parts = [LARGEST] * whole + [rest] * bool(rest)
    request = CreateTransfersRequest(transfers=[item(debit, credit, part) for part in parts])
    assert not scheme.ledger.transfers.CreateTransfers(request, timeout=SECONDS).refusals
