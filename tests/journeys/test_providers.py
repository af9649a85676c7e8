"""Providers of every temper, operators, refunds, repeats, and a server that dies while it asks."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from protos.esep.v1 import authorization_service_pb2, payment_pb2, payment_service_pb2
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ServerProcess
from scripts.provider import BENEFICIARY, Behaviour, Provider
from tests.journeys.payments import (
    BY_OPERATOR,
    BY_PROVIDER,
    DELIVERED,
    FAILED,
    PATIENCE,
    PREPARED,
    PROCESSING,
    REFUSED,
    SUCCEEDED,
    UNRESOLVED,
    delivers,
    directory,
    ends,
    figures,
    payer,
    provider,
    scheme,
    server,
    server_with,
)
from tests.paying import BAZAR, FUNDS, SECONDS, WATER, Scheme, elqr, emvco
from tests.people import Person
from tests.rpc.world import Refusal, refused
from tests.waiting import eventually

__all__ = ["delivers", "directory", "payer", "provider", "scheme", "server"]


@pytest.fixture(scope="module")
def patience() -> float:
    """Give for how long a confirmation waits for the provider, who is asked again no sooner."""
    return 2.0


def test_a_provider_that_refuses_gets_nothing(scheme: Scheme, payer: Person, provider: Provider) -> None:
    """What was held is let go, and the payer is told why."""
    provider.behaviour = Behaviour.REFUSES
    before = figures(scheme, payer, WATER)
    done = scheme.confirm(scheme.prepare(scheme.service(payer))).payment
    assert (done.state, done.decided_by, done.explanation) == (FAILED, BY_PROVIDER, "the account is closed")
    assert before.moved() == [(0, 0), (0, 0)]
    assert refused(lambda: scheme.refund(done.payment_id, 1)).reason == "PAYMENT_NOT_SUCCEEDED"


def test_a_silent_providers_late_yes_posts(scheme: Scheme, payer: Person, provider: Provider) -> None:
    """UNRESOLVED with the hold standing; it is asked again and again, never told to deliver twice, and paid at last."""
    prepared = scheme.prepare(scheme.service(payer))
    before = figures(scheme, payer, WATER)
    provider.behaviour = Behaviour.SILENT
    done = scheme.confirm(prepared).payment
    assert done.state in (PROCESSING, UNRESOLVED)
    ends(scheme, done.payment_id, UNRESOLVED)
    eventually(lambda: provider.questions[done.payment_id] >= 2)
    assert before.moved() == [(0, 20_000), (0, 0)]
    provider.behaviour = Behaviour.DELIVERS
    paid = ends(scheme, done.payment_id, SUCCEEDED)
    assert paid.decided_by == BY_PROVIDER
    assert (provider.orders[done.payment_id], provider.delivered[done.payment_id]) == (1, 1)
    assert before.moved() == [(-20_000, 0), (20_000, 0)]


@pytest.mark.parametrize(("behaviour", "orders"), [(Behaviour.LATE, 1), (Behaviour.FORGETS, 2), (Behaviour.PENDING, 1)])
def test_however_a_provider_answers_it_delivers_and_is_paid_once(
    scheme: Scheme, payer: Person, provider: Provider, behaviour: Behaviour, orders: int
) -> None:
    """The answer was lost, the order never arrived, or it took its time."""
    prepared = scheme.prepare(scheme.service(payer))
    before = figures(scheme, payer, WATER)
    provider.behaviour = behaviour
    done = scheme.confirm(prepared).payment
    if behaviour is Behaviour.PENDING:
        ends(scheme, done.payment_id, UNRESOLVED)
        assert before.moved() == [(0, 20_000), (0, 0)]
        provider.behaviour = Behaviour.DELIVERS
    ends(scheme, done.payment_id, SUCCEEDED)
    assert (provider.orders[done.payment_id], provider.delivered[done.payment_id]) == (orders, 1)
    assert before.moved() == [(-20_000, 0), (20_000, 0)]


def test_a_provider_that_answers_twice_is_paid_once(
    scheme: Scheme, payer: Person, provider: Provider, server: ServerProcess
) -> None:
    """By itself and when asked: the first answer counts, and a third is refused."""
    provider.ledger = server.address
    prepared = scheme.prepare(scheme.service(payer))
    before = figures(scheme, payer, WATER)
    provider.behaviour = Behaviour.TWICE
    done = scheme.confirm(prepared).payment
    assert done.state == SUCCEEDED
    for answer in (DELIVERED, REFUSED):
        again = refused(lambda answer=answer: scheme.answer(done.payment_id, answer))  # type: ignore[misc]
        assert (again.reason, again.metadata["state"]) == ("PAYMENT_ALREADY_ANSWERED", "succeeded")
    assert before.moved() == [(-20_000, 0), (20_000, 0)]


def test_an_operator_decides_and_a_later_delivery_still_posts(
    scheme: Scheme, payer: Person, provider: Provider
) -> None:
    """Given up, the hold is let go; the provider who delivered all the same is paid, and the payment says so."""
    prepared = scheme.prepare(scheme.service(payer))
    provider.behaviour = Behaviour.SILENT
    before = figures(scheme, payer, WATER)
    payment_id = scheme.confirm(prepared).payment.payment_id
    ends(scheme, payment_id, UNRESOLVED)
    assert refused(lambda: scheme.decide(payment_id, REFUSED, why=" ")).fields == {"explanation": "MISSING"}
    given_up = scheme.decide(payment_id, REFUSED).payment
    assert (given_up.state, given_up.decided_by, given_up.explanation) == (FAILED, BY_OPERATOR, "by phone")
    assert before.moved() == [(0, 0), (0, 0)]
    late = scheme.answer(payment_id, DELIVERED, provider_reference="p-7").payment
    assert (late.state, late.decided_by, late.provider_reference) == (SUCCEEDED, BY_PROVIDER, "p-7")
    assert before.moved() == [(-20_000, 0), (20_000, 0)]


def test_a_provider_that_cannot_be_asked_prepares_nothing(scheme: Scheme, payer: Person, provider: Provider) -> None:
    """Silence about the beneficiary is an answer of its own, which may be tried again with the same id."""
    provider.behaviour = Behaviour.SILENT
    request = scheme.service(payer)
    assert refused(lambda: scheme.prepare(request)).reason == "PROVIDER_UNAVAILABLE"
    provider.behaviour = Behaviour.DELIVERS
    assert scheme.prepare(request).state == PREPARED
    provider.behaviour = Behaviour.SILENT
    assert scheme.prepare(request).beneficiary == BENEFICIARY


def test_a_provider_that_never_hangs_up_is_waited_for_as_long_as_the_setting_says(tmp_path: Path) -> None:
    """Its silence is the ledger's to end: the payer is told, and what was ordered is asked after."""
    with Provider() as provider, server_with(tmp_path, provider, ESEP_PROVIDER_TIMEOUT_SECONDS="1") as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            scheme = Scheme(ledger, tmp_path / "confirmation-codes")
            request = scheme.service(scheme.payer())

            def prepared() -> payment_pb2.Payment | None:
                try:
                    return scheme.prepare(request)
                except grpc.RpcError as error:
                    if Refusal(error).reason != "PROVIDER_UNAVAILABLE":
                        raise
                    return None

            provider.behaviour = Behaviour.SILENT
            assert prepared() is None
            provider.behaviour = Behaviour.DELIVERS
            payment = eventually(prepared)  # A busy machine may take longer for an answer than is waited here.
            provider.behaviour = Behaviour.SILENT
            assert scheme.confirm(payment).payment.state == UNRESOLVED
            provider.behaviour = Behaviour.DELIVERS
            ends(scheme, payment.payment_id, SUCCEEDED)
            assert provider.delivered[payment.payment_id] == 1
        server.stop()


def test_what_is_held_for_a_payment_is_its_own(scheme: Scheme, payer: Person, provider: Provider) -> None:
    """No method of AuthorizationService captures it or lets it go."""
    prepared = scheme.prepare(scheme.service(payer))
    provider.behaviour = Behaviour.PENDING
    held = scheme.confirm(prepared).payment.authorization_id
    request = authorization_service_pb2.CaptureAuthorizationRequest(
        request_id=new_id(), authorization_id=held, amount_tyiyn=20_000, clearing_reference=new_id()
    )
    refusal = refused(lambda: scheme.ledger.authorizations.CaptureAuthorization(request, timeout=SECONDS))
    assert (refusal.reason, refusal.metadata["payment_id"]) == ("PAYMENT_HOLD", prepared.payment_id)
    scheme.decide(prepared.payment_id, REFUSED)


# Refunds, repeats, outcomes.


def test_a_payment_is_given_back_in_parts_and_whole(scheme: Scheme, payer: Person) -> None:
    """Never more than was paid."""
    before = figures(scheme, payer, BAZAR)
    payment_id = scheme.confirm(scheme.prepare(scheme.qr(payer, emvco(), 10_000))).payment.payment_id
    assert scheme.refund(payment_id, 4_000).payment.refunded_tyiyn == 4_000
    over = refused(lambda: scheme.refund(payment_id, 6_001))
    assert (over.reason, over.metadata["refundable_tyiyn"]) == ("OVER_REFUND", "6000")
    assert scheme.refund(payment_id, 6_000).payment.refunded_tyiyn == 10_000
    assert before.moved() == [(0, 0), (0, 0)]


def test_every_step_sent_again_is_answered_again(scheme: Scheme, payer: Person, provider: Provider) -> None:
    """The same id is the same outcome, marked as replayed, with nothing moved twice; other content is refused."""
    payments = scheme.ledger.payments
    prepare = scheme.service(payer, fields={"account": "123456", "reading": ""})
    prepared = [payments.PrepareServicePayment(prepare, timeout=SECONDS) for _ in range(2)]
    assert [each.receipt.replayed for each in prepared] == [False, True]
    assert prepared[0].payment == prepared[1].payment
    prepare.fields["account"] = "654321"
    assert refused(lambda: scheme.prepare(prepare)).reason == "REQUEST_ID_REUSED"
    payment = prepared[0].payment
    provider.behaviour = Behaviour.PENDING
    before = figures(scheme, payer, WATER)
    confirm = new_id()
    first = scheme.confirm(payment, confirm)
    provider.behaviour = Behaviour.DELIVERS
    ends(scheme, payment.payment_id, SUCCEEDED)
    again = scheme.confirm(payment, confirm)
    assert (first.payment.state, first.receipt.replayed) == (UNRESOLVED, False)
    assert (again.payment.state, again.receipt.replayed) == (SUCCEEDED, True)
    assert refused(lambda: scheme.confirm(payment)).reason == "PAYMENT_ALREADY_CONFIRMED"
    refund = new_id()
    given_back = [scheme.refund(payment.payment_id, 5_000, request_id=refund) for _ in range(2)]
    assert [each.receipt.replayed for each in given_back] == [False, True]
    assert refused(lambda: scheme.refund(payment.payment_id, 5_001, request_id=refund)).reason == "REQUEST_ID_REUSED"
    assert before.moved() == [(-15_000, 0), (15_000, 0)]
    told = [
        scheme.ledger.transfers.GetOutcome(GetOutcomeRequest(request_id=request_id), timeout=SECONDS).payment
        for request_id in (prepare.request_id, confirm, refund)
    ]
    assert told == [payment, scheme.get(payment.payment_id), scheme.get(payment.payment_id)]
    assert told[1].refunded_tyiyn == 5_000


def test_answers_and_decisions_sent_again_are_answered_again(scheme: Scheme, payer: Person, provider: Provider) -> None:
    """Whoever answers may lose the answer to that."""
    for send in (scheme.answer, scheme.decide):
        prepared = scheme.prepare(scheme.service(payer))
        provider.behaviour = Behaviour.PENDING
        payment_id = scheme.confirm(prepared).payment.payment_id
        request_id = new_id()
        told = [send(payment_id, DELIVERED, request_id) for _ in range(2)]
        assert [each.receipt.replayed for each in told] == [False, True]
        assert told[0].payment == told[1].payment
        assert refused(lambda: send(payment_id, REFUSED, request_id)).reason == "REQUEST_ID_REUSED"  # noqa: B023
        provider.behaviour = Behaviour.DELIVERS


def test_a_trial_confirmation_asks_nobody(scheme: Scheme, payer: Person, provider: Provider) -> None:
    """It says what would be, and holds nothing."""
    prepared = scheme.prepare(scheme.service(payer))
    before = figures(scheme, payer, WATER)
    request = payment_service_pb2.ConfirmPaymentRequest(
        request_id=new_id(), payment_id=prepared.payment_id, customer_id=payer.customer_id, validate_only=True
    )
    answer = scheme.ledger.payments.ConfirmPayment(request, timeout=SECONDS)
    assert (answer.payment.state, answer.HasField("receipt")) == (PROCESSING, False)
    assert (provider.orders[prepared.payment_id], before.moved()) == (0, [(0, 0), (0, 0)])
    assert scheme.get(prepared.payment_id).state == PREPARED


def test_a_payment_lapses(tmp_path: Path, provider: Provider) -> None:
    """After five minutes it can only be prepared again."""
    with server_with(tmp_path, provider) as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            scheme = Scheme(ledger, tmp_path / "confirmation-codes")
            payer = scheme.payer()
            prepared = scheme.prepare(scheme.qr(payer, elqr(), 100))
            server.clock.advance(300)
            assert refused(lambda: scheme.confirm(prepared)).reason == "PAYMENT_LAPSED"
            assert scheme.get(prepared.payment_id).state == payment_pb2.PAYMENT_STATE_LAPSED
        server.stop()


# A server that dies.


@pytest.mark.parametrize(("behaviour", "orders"), [(Behaviour.LATE, 1), (Behaviour.FORGETS, 2)])
def test_a_server_killed_while_it_asks_leaves_the_payment_to_the_next(
    tmp_path: Path, behaviour: Behaviour, orders: int
) -> None:
    """SIGKILL between question and answer: the next server asks for the status, and posts once."""
    with Provider() as provider, server_with(tmp_path, provider) as server:
        server.start()
        with connect_plainly(server.address) as ledger, ThreadPoolExecutor(1) as phone:
            scheme = Scheme(ledger, tmp_path / "confirmation-codes")
            payer = scheme.payer()
            prepared = scheme.prepare(scheme.service(payer))
            provider.behaviour = behaviour
            confirm = new_id()
            under_way = phone.submit(scheme.confirm, prepared, confirm)
            eventually(lambda: provider.orders[prepared.payment_id] == 1)
            server.kill()
            under_way.exception(timeout=PATIENCE)
            server.start()
        with connect_plainly(server.address) as ledger:
            scheme.ledger = ledger
            paid = ends(scheme, prepared.payment_id, SUCCEEDED)
            assert (paid.decided_by, paid.amount_tyiyn) == (BY_PROVIDER, 20_000)
            assert (provider.orders[paid.payment_id], provider.delivered[paid.payment_id]) == (orders, 1)
            assert scheme.figures(payer.account_id) == (FUNDS - 20_000, 0)
            assert scheme.figures(scheme.payees[WATER].account_id) == (20_000, 0)
            again = scheme.confirm(prepared, confirm)
            assert (again.payment.state, again.receipt.replayed) == (SUCCEEDED, True)
        server.stop()
