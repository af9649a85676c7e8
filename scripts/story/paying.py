"""Paying from the application: a café by its QR code, a service of the directory, a phone's balance."""

import json
from collections.abc import Mapping
from typing import Final

from domain.qr import QrCode, QrFormat, write_elqr
from protos.esep.v1 import account_pb2, payee_pb2, payment_pb2
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.payee_service_pb2 import RegisterPayeeRequest
from protos.esep.v1.payment_service_pb2 import (
    ConfirmPaymentRequest,
    PrepareQrPaymentRequest,
    PrepareServicePaymentRequest,
)
from protos.esep.v1.service_directory_pb2 import Service
from protos.esep.v1.service_directory_service_pb2 import SearchServicesRequest
from scripts.demo_banks import Bank
from scripts.demo_client import Answer, new_id
from scripts.story.people import Person
from scripts.story.scene import Scene, expect

CAFE: Final = 'КАФЕ "КЕНТ"'
_CAFE_CODE: Final = "kent-cafe"
_CATERING: Final = "5812"
_KINDS: Final = {
    payee_pb2.PAYEE_KIND_MERCHANT: account_pb2.ACCOUNT_KIND_MERCHANT,
    payee_pb2.PAYEE_KIND_PROVIDER: account_pb2.ACCOUNT_KIND_PROVIDER,
}


def settings(target: str) -> dict[str, str]:
    """Return the settings with which a server asks one provider for all services."""
    return {"ESEP_PROVIDERS": json.dumps({"*": {"target": target}})}


def open_businesses(scene: Scene, bank: Bank) -> None:
    """Let a bank register those of its customers who are paid in the story."""
    register_payee(scene, bank, payee_pb2.PAYEE_KIND_MERCHANT, _CAFE_CODE, CAFE)
    register_payee(scene, bank, payee_pb2.PAYEE_KIND_PROVIDER, "severelectro", "Севрэлектро")
    register_payee(scene, bank, payee_pb2.PAYEE_KIND_PROVIDER, "mega", "MEGA")


def register_payee(scene: Scene, bank: Bank, kind: payee_pb2.PayeeKind.ValueType, code: str, name: str) -> None:
    """Open an account for a business, and let it be paid there."""
    core = scene.bank(bank.name)
    account = OpenAccountRequest(request_id=new_id(), participant_id=bank.name, kind=_KINDS[kind])
    registration = RegisterPayeeRequest(
        request_id=new_id(),
        kind=kind,
        code=code,
        participant_id=bank.name,
        account_id=scene.do(core.accounts.OpenAccount, account).account.account_id,
        name=name,
    )
    scene.do(core.payees.RegisterPayee, registration)


def bill(amount: int) -> str:
    """Return the QR code on a bill of the café, in the national format: for one payment of this amount."""
    return write_elqr(
        QrCode(
            format=QrFormat.ELQR,
            dynamic=True,
            amount_editable=False,
            amount_tyiyn=amount,
            provider_id="qr.kent.kg",
            service_code="1",
            transaction_id=new_id()[:12],
            merchant_id=_CAFE_CODE,
            merchant_name=CAFE,
            mcc=_CATERING,
        )
    )


def pay_bill(scene: Scene, person: Person, code: str) -> payment_pb2.Payment:
    """Pay what a merchant's code asks for: look at it, then confirm."""
    request = PrepareQrPaymentRequest(
        request_id=new_id(), customer_id=person.customer_id, card_id=person.card_id, qr_text=code
    )
    return _confirm(scene, person, scene.do(scene.app(person.customer_id).payments.PrepareQrPayment, request).payment)


def bill_refused(scene: Scene, person: Person, code: str, reason: str) -> Answer:
    """Try to pay a code, and be refused for this reason."""
    request = PrepareQrPaymentRequest(
        request_id=new_id(), customer_id=person.customer_id, card_id=person.card_id, qr_text=code
    )
    return scene.refused(scene.app(person.customer_id).payments.PrepareQrPayment, request, reason)


def find_service(scene: Scene, person: Person, words: str) -> Service:
    """Return the first service that the directory finds for what somebody types."""
    request = SearchServicesRequest(query=words, language=scene.language)
    found: Service = scene.do(scene.app(person.customer_id).directory.SearchServices, request).services[0]
    return found


def pay_service(
    scene: Scene, person: Person, service_id: str, fields: Mapping[str, str], amount: int
) -> payment_pb2.Payment:
    """Enter a service's fields and an amount, look at whom the provider names, and confirm."""
    scene.secret(*fields.values())
    request = PrepareServicePaymentRequest(
        request_id=new_id(),
        customer_id=person.customer_id,
        card_id=person.card_id,
        service_id=service_id,
        fields=fields,
        amount_tyiyn=amount,
    )
    app = scene.app(person.customer_id)
    paid = _confirm(scene, person, scene.do(app.payments.PrepareServicePayment, request).payment)
    expect("who said that the service was delivered", paid.decided_by, payment_pb2.PAYMENT_DECIDER_PROVIDER)
    return paid


def _confirm(scene: Scene, person: Person, prepared: payment_pb2.Payment) -> payment_pb2.Payment:
    expect("the total of a prepared payment", prepared.total_tyiyn, prepared.amount_tyiyn + prepared.fee_tyiyn)
    request = ConfirmPaymentRequest(request_id=new_id(), payment_id=prepared.payment_id, customer_id=person.customer_id)
    paid: payment_pb2.Payment = scene.do(scene.app(person.customer_id).payments.ConfirmPayment, request).payment
    expect("the state of a confirmed payment", paid.state, payment_pb2.PAYMENT_STATE_SUCCEEDED)
    return paid
