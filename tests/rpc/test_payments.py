"""Payments at the edge: what happens between two steps of one."""

from pathlib import Path

import pytest

from domain.payment import Payment
from domain.settle import Answer
from ledger.rpc.payments import Payments
from ledger.rpc.providers import Beneficiary, Delivery, GrpcProviders, Order
from protos.esep.v1 import payment_pb2
from tests.paying import Scheme
from tests.rpc.world import World


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
