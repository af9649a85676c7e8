"""Whatever a request made or changed, GetOutcome tells it: a ledger in which everything happened is asked about all."""

from collections.abc import Iterator
from typing import get_args

import grpc
import pytest

from domain import aggregate, ids
from domain.aggregate import Aggregate
from domain.crossing import TransferReceived, TransferRejected
from domain.ports import Row
from ledger.engine.lookup import history
from ledger.vault.codes import FileCodes
from protos.esep.v1 import account_pb2, authorization_pb2, payment_service_pb2, token_service_pb2
from protos.esep.v1 import alias_service_pb2 as aliases
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import transfer_service_pb2 as api
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.card_binding_service_pb2 import ConfirmCardBindingRequest
from protos.esep.v1.payee_pb2 import PAYEE_KIND_MERCHANT
from protos.esep.v1.payee_service_pb2 import RegisterPayeeRequest
from tests.holder import Holder
from tests.paying import elqr
from tests.people import Person
from tests.rpc.bulk_cases import back, one_leg
from tests.rpc.credit_bank import Payer, to_account
from tests.rpc.payers import Payers
from tests.rpc.rules_cases import adjustment, approval, propose_adjustment, propose_rules, rules_approval
from tests.rpc.test_refusals import authorize, capture, held, reverse
from tests.rpc.world import PATIENCE, Bank, Refusal, World, item, new_id, transfer


@pytest.fixture(scope="module")
def payers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Payers]:
    with World(tmp_path_factory.mktemp("ledger")) as world:
        payers = Payers(world)
        move(payers.bank)
        authorise(payers.bank)
        pay_out(payers.bank)
        post_together(payers.bank)
        govern(payers.bank)
        carry(payers)
        yield payers


def move(bank: Bank) -> None:
    """Move money alone, together and back, and in vain."""
    service = bank.ledger.transfers
    made = bank.move(bank.rich, bank.poor, 10).transfer.transfer_id
    bank.call(service.ReverseTransfer, api.ReverseTransferRequest(request_id=new_id(), transfer_id=made))
    for merchant_pays in (False, True):
        batch = api.CreateTransfersRequest(atomic=True, request_id=new_id(), transfers=[item(bank.rich, bank.poor, 1)])
        if merchant_pays:
            batch.transfers.append(item(bank.merchant, bank.rich, 1))
            bank.refused(service.CreateTransfers, batch)
        else:
            bank.call(service.CreateTransfers, batch)
    bank.refused(service.CreateTransfer, transfer(bank.merchant, bank.rich, 1))


def authorise(bank: Bank) -> None:
    """Take holds through their lives, and post what has none."""
    service = bank.ledger.authorizations
    captured = held(bank)
    bank.call(service.CaptureAuthorization, capture(captured, 500, "c-1"))
    bank.call(service.ReverseAuthorization, reverse(held(bank)))
    bank.refused(service.ReverseAuthorization, reverse(captured_finally(bank)))
    bank.refused(service.CreateAuthorization, authorize(bank, account_id=bank.poor, amount=10**9))
    post = authorizations.ForcePostRequest(
        request_id=new_id(),
        account_id=bank.rich,
        credit_account_id=bank.merchant,
        amount_tyiyn=5,
        clearing_reference="c-3",
    )
    bank.call(service.ForcePost, post)
    announced = authorizations.AuthorizeRefundRequest(request_id=new_id(), account_id=bank.rich, amount_tyiyn=5)
    bank.call(service.AuthorizeRefund, announced)
    credit = authorizations.MerchantCredit(account_id=bank.rich, merchant_account_id=bank.merchant)
    refund = authorizations.PostRefundRequest(
        request_id=new_id(), merchant_credit=credit, amount_tyiyn=5, clearing_reference="c-4"
    )
    bank.call(service.PostRefund, refund)
    linked = authorizations.PostRefundRequest(
        request_id=new_id(), authorization_id=captured, amount_tyiyn=5, clearing_reference="c-5"
    )
    bank.call(service.PostRefund, linked)
    notice = authorizations.RecordSettlementNoticeRequest(
        request_id=new_id(), clearing_reference="c-1", amount_tyiyn=500
    )
    bank.call(service.RecordSettlementNotice, notice)
    early = authorizations.ReverseAuthorizationRequest(
        request_id=new_id(),
        acquirer_reference=authorization_pb2.AcquirerReference(acquirer_id="acq", acquirer_reference="r-1"),
        reversed_by=authorization_pb2.REVERSAL_INITIATOR_ACQUIRER,
    )
    bank.call(service.ReverseAuthorization, early)


def captured_finally(bank: Bank) -> str:
    """Return a hold that has ended."""
    done = held(bank)
    request = capture(done, 500, "c-2")
    request.final = True
    bank.call(bank.ledger.authorizations.CaptureAuthorization, request)
    return done


def pay_out(bank: Bank) -> None:
    """Pay out a file of credits, of which one line goes nowhere."""
    payer = Payer(bank)
    file_id = payer.open(2, 10)
    payer.post(file_id, [to_account(1, bank.poor, 5), to_account(2, 999, 5)])
    payer.close(file_id, 2, 10)


def post_together(bank: Bank) -> None:
    """Post a bulk, and move one of its legs back."""
    bulk_id = bank.call(bank.ledger.bulks.PostBulk, one_leg(bank.rich, bank.poor)).bulk.bulk_id
    bank.call(bank.ledger.bulks.ReverseBulkLeg, back(bulk_id, 0))


def govern(bank: Bank) -> None:
    """Propose and approve, by two operators."""
    checker = bank.world.client("checker")
    proposed = propose_adjustment(bank)
    checker.adjustments.ApproveAdjustment(approval(proposed), metadata=checker.metadata)
    bank.refused(bank.ledger.adjustments.ProposeAdjustment, adjustment(bank, amount_tyiyn=0))
    checker.rules.ApproveRules(rules_approval(propose_rules(bank)), metadata=checker.metadata)


def carry(payers: Payers) -> None:
    """Do what people with cards and phones do."""
    ledger = payers.ledger
    codes = payers.world.vault.codes
    assert isinstance(codes, FileCodes)
    holder = Holder(ledger, codes._path).ready()
    holder.pay(100)
    block = token_service_pb2.BlockDeviceRequest(
        request_id=new_id(), customer_id=holder.customer_id, device_id=holder.phone.device_id
    )
    payers.call(ledger.tokens.BlockDevice, block)
    unknown = ConfirmCardBindingRequest(
        request_id=new_id(), binding_id=new_id(), customer_id=holder.customer_id, amount_tyiyn=100
    )
    payers.refused(ledger.card_bindings.ConfirmCardBinding, unknown)
    adil, bakyt = payers.payer("bank-a", "Адил Усенов"), payers.payer("bank-b", "Бакыт Асанов")
    alias = payers.link(bakyt)
    payers.qr(bakyt)
    payers.confirm(payers.quote(adil, phone_number=bakyt.phone_number))
    buy(payers, adil)
    unlink = aliases.UnlinkPhoneRequest(request_id=new_id(), customer_id=bakyt.customer_id, alias_id=alias.alias_id)
    payers.call(ledger.aliases.UnlinkPhone, unlink)


def buy(payers: Payers, payer: Person) -> None:
    """Pay a merchant, whom a bank lets be paid, by its QR code."""
    opening = OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=account_pb2.ACCOUNT_KIND_MERCHANT)
    merchant = payers.call(payers.ledger.accounts.OpenAccount, opening).account.account_id
    payee = RegisterPayeeRequest(
        request_id=new_id(),
        kind=PAYEE_KIND_MERCHANT,
        code="kent-cafe",
        participant_id="bank-a",
        account_id=merchant,
        name="КАФЕ КЕНТ",
    )
    payers.call(payers.ledger.payees.RegisterPayee, payee)
    asked = payment_service_pb2.PrepareQrPaymentRequest(
        request_id=new_id(),
        customer_id=payer.customer_id,
        card_id=payer.card_id,
        qr_text=elqr("kent-cafe"),
        amount_tyiyn=100,
    )
    prepared = payers.call(payers.ledger.payments.PrepareQrPayment, asked).payment
    confirmed = payment_service_pb2.ConfirmPaymentRequest(
        request_id=new_id(), payment_id=prepared.payment_id, customer_id=payer.customer_id
    )
    payers.call(payers.ledger.payments.ConfirmPayment, confirmed)


def told(world: World, row: Row) -> str:
    """Return under which field GetOutcome tells the request of a row, or the reason why it tells nothing."""
    ledger = world.client(row.caller)
    question = api.GetOutcomeRequest(request_id=ids.format_uuid(row.request_id or row.originator_id))
    try:
        answer = ledger.transfers.GetOutcome(question, metadata=ledger.metadata, timeout=PATIENCE)
    except grpc.RpcError as error:
        return Refusal(error).reason
    return str(answer.WhichOneof("outcome"))


def test_every_request_is_told_of(payers: Payers) -> None:
    """Each event of the log is asked about: told, or nobody's request; every field of the answer comes to be used."""
    fields = {field.name for field in api.GetOutcomeResponse.DESCRIPTOR.oneofs_by_name["outcome"].fields}
    seen = set()
    for row in payers.world.log.read(0, 0, 100_000):
        found = told(payers.world, row)
        assert found in fields or (found == "OUTCOME_NOT_FOUND" and row.request_id is None), (row.topic, found)
        seen.add(found)
    assert fields <= seen


def test_every_kind_of_aggregate_was_asked_about(payers: Payers) -> None:
    """A new kind of aggregate needs a request in this test: else nobody would know whether it is told."""
    kept: dict[bytes, list[Row]] = {}
    for row in payers.world.log.read(0, 0, 100_000):
        kept.setdefault(row.originator_id, []).append(row)
    met = {type(aggregate.fold(history(rows))) for rows in kept.values()}
    assert met == set(get_args(Aggregate)) - {TransferReceived, TransferRejected}  # Those are nobody's requests.
