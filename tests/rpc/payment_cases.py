"""How each refusal about payees and payments comes about, one function a reason."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from domain.refusals import Reason
from ledger.rpc.providers import ANYBODY, GrpcProviders
from ledger.rpc.settings import Endpoint
from ledger.vault.codes import FileCodes
from protos.esep.v1 import authorization_service_pb2, payee_pb2, payee_service_pb2, payment_pb2
from protos.esep.v1 import payment_service_pb2 as api
from scripts.provider import Behaviour, Provider
from tests.paying import MERCHANT, PROVIDER, Scheme, elqr
from tests.rpc.world import Bank, Refusal, new_id, refused

DELIVERED: Final = api.PAYMENT_ANSWER_DELIVERED
REFUSED: Final = api.PAYMENT_ANSWER_REFUSED
_FIVE_MINUTES: Final = 300_000_000


def scheme_of(bank: Bank) -> Scheme:
    """Return two banks with payees at a bank's ledger."""
    codes = bank.world.vault.codes
    assert isinstance(codes, FileCodes)
    return Scheme(bank.ledger, codes._path)


@contextmanager
def provider_of(bank: Bank, behaviour: Behaviour = Behaviour.DELIVERS) -> Iterator[Provider]:
    """Give a provider that the ledger asks from now on."""
    with Provider(behaviour) as provider:
        endpoints = {ANYBODY: Endpoint(target=provider.target)}
        bank.world.edge.parts.payments._providers = GrpcProviders(endpoints, timeout_seconds=5.0)
        yield provider


def registration(scheme: Scheme, code: str, account_id: int) -> payee_service_pb2.RegisterPayeeRequest:
    return payee_service_pb2.RegisterPayeeRequest(
        request_id=new_id(), kind=MERCHANT, code=code, participant_id="bank-a", account_id=account_id, name="Дүкөн"
    )


def change(payee: payee_pb2.Payee, **fields: object) -> payee_service_pb2.UpdatePayeeRequest:
    given = {"account_id": payee.account_id, "name": payee.name, "active": payee.active, **fields}
    return payee_service_pb2.UpdatePayeeRequest(request_id=new_id(), payee_id=payee.payee_id, **given)  # type: ignore[arg-type] # fields of many types


def prepared(scheme: Scheme) -> payment_pb2.Payment:
    """Prepare a payment to the café."""
    return scheme.prepare(scheme.qr(scheme.payer(), elqr(), 100))


def waiting(bank: Bank) -> tuple[Scheme, payment_pb2.Payment]:
    """Return a payment whose provider does not know yet."""
    scheme = scheme_of(bank)
    with provider_of(bank, Behaviour.PENDING):
        return scheme, scheme.confirm(scheme.prepare(scheme.service(scheme.payer()))).payment


def payee_not_found(bank: Bank) -> Refusal:
    request = payee_service_pb2.GetPayeeRequest(code="none", kind=PROVIDER)
    return bank.refused(bank.ledger.payees.GetPayee, request)


def payment_not_found(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.payments.GetPayment, api.GetPaymentRequest(payment_id=new_id()))


def beneficiary_unknown(bank: Bank) -> Refusal:
    scheme = scheme_of(bank)
    with provider_of(bank):
        return refused(lambda: scheme.prepare(scheme.service(scheme.payer(), fields={"account": "99999999"})))


def provider_unavailable(bank: Bank) -> Refusal:
    scheme = scheme_of(bank)
    return refused(lambda: scheme.prepare(scheme.service(scheme.payer())))


def code_taken(bank: Bank) -> Refusal:
    scheme = scheme_of(bank)
    account = scheme.payees["kent-cafe"].account_id
    return bank.refused(bank.ledger.payees.RegisterPayee, registration(scheme, "kent-cafe", account))


def account_unfit(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.payees.RegisterPayee, registration(scheme_of(bank), "shop", bank.rich))


def not_active(bank: Bank) -> Refusal:
    scheme = scheme_of(bank)
    bank.call(bank.ledger.payees.UpdatePayee, change(scheme.payees["kent-cafe"], active=False))
    return refused(lambda: prepared(scheme))


def stale(bank: Bank) -> Refusal:
    scheme = scheme_of(bank)
    payment = prepared(scheme)
    bank.call(bank.ledger.payees.UpdatePayee, change(scheme.payees["kent-cafe"], name="Башка кафе"))
    return refused(lambda: scheme.confirm(payment))


def already_confirmed(bank: Bank) -> Refusal:
    scheme = scheme_of(bank)
    payment = prepared(scheme)
    scheme.confirm(payment)
    return refused(lambda: scheme.confirm(payment))


def lapsed(bank: Bank) -> Refusal:
    scheme = scheme_of(bank)
    payment = prepared(scheme)
    bank.world.clock.ahead += _FIVE_MINUTES
    return refused(lambda: scheme.confirm(payment))


def not_asked(bank: Bank) -> Refusal:
    scheme = scheme_of(bank)
    return refused(lambda: scheme.answer(prepared(scheme).payment_id, DELIVERED))


def already_answered(bank: Bank) -> Refusal:
    scheme, payment = waiting(bank)
    scheme.answer(payment.payment_id, REFUSED)
    return refused(lambda: scheme.answer(payment.payment_id, DELIVERED))


def not_succeeded(bank: Bank) -> Refusal:
    scheme = scheme_of(bank)
    return refused(lambda: scheme.refund(prepared(scheme).payment_id, 1))


def payment_hold(bank: Bank) -> Refusal:
    _, payment = waiting(bank)
    request = authorization_service_pb2.CaptureAuthorizationRequest(
        request_id=new_id(), authorization_id=payment.authorization_id, amount_tyiyn=1, clearing_reference="c-9"
    )
    return bank.refused(bank.ledger.authorizations.CaptureAuthorization, request)


def qr_used(bank: Bank) -> Refusal:
    scheme = scheme_of(bank)
    payer = scheme.payer()
    service = {"provider_id": "qr.kg", "service_code": "1", "transaction_id": "T-1"}
    text = elqr(dynamic=True, amount_tyiyn=100, **service)
    scheme.confirm(scheme.prepare(scheme.qr(payer, text)))
    return refused(lambda: scheme.prepare(scheme.qr(payer, text)))


def card_not_bound(bank: Bank) -> Refusal:
    scheme = scheme_of(bank)
    return refused(lambda: scheme.prepare(scheme.qr(scheme.payer(bound=False), elqr(), 1)))


PAYMENT_CASES: Final[dict[Reason, Callable[[Bank], Refusal]]] = {
    Reason.PAYEE_NOT_FOUND: payee_not_found,
    Reason.PAYMENT_NOT_FOUND: payment_not_found,
    Reason.BENEFICIARY_UNKNOWN: beneficiary_unknown,
    Reason.PROVIDER_UNAVAILABLE: provider_unavailable,
    Reason.PAYEE_CODE_TAKEN: code_taken,
    Reason.PAYEE_ACCOUNT_UNFIT: account_unfit,
    Reason.PAYEE_NOT_ACTIVE: not_active,
    Reason.PAYMENT_STALE: stale,
    Reason.PAYMENT_ALREADY_CONFIRMED: already_confirmed,
    Reason.PAYMENT_LAPSED: lapsed,
    Reason.PAYMENT_NOT_ASKED: not_asked,
    Reason.PAYMENT_ALREADY_ANSWERED: already_answered,
    Reason.PAYMENT_NOT_SUCCEEDED: not_succeeded,
    Reason.PAYMENT_HOLD: payment_hold,
    Reason.QR_USED: qr_used,
    Reason.CARD_NOT_BOUND: card_not_bound,
}
