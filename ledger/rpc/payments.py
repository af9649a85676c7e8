"""Carrying payments through: what the catalogue, the QR code and the provider say, and the provider's answer.

A confirmed payment whose provider is to be asked is asked in a task of its own, which no caller can cancel. A server
that ended in between leaves payments that wait: ``keep`` finds them, asks how each stands, and asks again until somebody
says. Never is a delivery asked for twice unless the provider says that it has never heard of the first: the question is
recorded before it is put.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

import structlog

from domain.limits import Operation
from domain.pay import ConfirmPayment, PreparePayment
from domain.payee import PayeeKind
from domain.payment import Payment, PaymentPrepared, PaymentState
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from domain.services.catalogue import Catalogue
from domain.services.fields import amount_violations, field_violations
from ledger.rpc import calls
from ledger.rpc.customers import Customers
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake
from ledger.rpc.outcomes import Done
from ledger.rpc.providers import Providers
from ledger.rpc.settings import RpcSettings
from ledger.rpc.tellers import expect
from ledger.vault.vault import Vault
from projections.queries import Reader
from protos.esep.v1 import payment_service_pb2 as pb

TIMER: Final = "esep"
BENEFICIARY: Final = "beneficiary"
"""The field that holds what the provider told of the beneficiary; no field of a service is named so."""
_NAME: Final = f"_{BENEFICIARY}"
_WAITING: Final = (PaymentState.PROCESSING.value, PaymentState.UNRESOLVED.value)
_SECOND: Final = 1_000_000

_log = structlog.get_logger("esep.payments")


class Shown(NamedTuple):
    """A payment with what the payer entered, in clear, and the beneficiary's masked name."""

    payment: Payment
    fields: Mapping[str, str]
    beneficiary: str


class Payments:
    """Carries out what is asked about payments, and what follows from it."""

    def __init__(
        self,
        gateway: Gateway,
        customers: Customers,
        vault: Vault,
        catalogue: Catalogue,
        providers: Providers,
        reader: Reader,
        clock: Clock,
        settings: RpcSettings,
    ) -> None:
        self._gateway = gateway
        self._customers = customers
        self._vault = vault
        self._catalogue = catalogue
        self._providers = providers
        self._reader = reader
        self._clock = clock
        self._patience = settings.provider_patience_seconds
        self._poll_seconds = settings.provider_poll_seconds
        self._under_way: dict[bytes, asyncio.Task[None]] = {}

    # Preparing.

    async def prepare_service(self, request: pb.PrepareServicePaymentRequest) -> Done:
        """Check what was entered, ask the provider whether it knows the beneficiary, and prepare; raises Refused."""
        intake = Intake()
        request_id = intake.request_id(request.request_id)
        customer_id = intake.uuid(request.customer_id, "customer_id")
        card_id = intake.uuid(request.card_id, "card_id")
        if not request.service_id:
            intake.wrong("service_id", "MISSING", "is required")
        intake.check()
        service = self._catalogue.service(request.service_id)
        if service is None:
            raise Refused(refuse(Reason.SERVICE_NOT_FOUND))
        fields = dict(sorted(request.fields.items()))
        amount = _amount(service, request.amount_tyiyn if request.HasField("amount_tyiyn") else None)
        intake.violations += field_violations(service, fields)
        intake.violations += [] if amount is None else amount_violations(service, amount)
        if amount is None:
            intake.wrong("amount_tyiyn", "MISSING", "is required: the service has no fixed price")
        intake.check()
        said = await self._providers.check(service.provider_id, service.id, fields)
        if not said.known:
            raise Refused(refuse(Reason.BENEFICIARY_UNKNOWN, service_id=service.id))
        entered = {**fields, _NAME: said.masked_name} if said.masked_name else fields
        command = await self._command(
            intake,
            request_id,
            entered,
            customer_id=customer_id,
            card_id=card_id,
            operation=Operation.TOP_UP if service.category_id == TOP_UPS else Operation.SERVICE_PAYMENT,
            payee_kind=PayeeKind.PROVIDER,
            payee_code=service.provider_id,
            service_id=service.id,
            merchant_category_code=service.mcc,
            amount_tyiyn=amount,
            currency_code=service.currency_code,
        )
        return await self._prepare(command, request_id, fields)

    async def prepare_qr(self, request: pb.PrepareQrPaymentRequest) -> Done:
        """Read a merchant's code, and prepare the payment that it asks for; raises Refused."""
        intake = Intake()
        request_id = intake.request_id(request.request_id)
        customer_id = intake.uuid(request.customer_id, "customer_id")
        card_id = intake.uuid(request.card_id, "card_id")
        code = _code(intake, request.qr_text)
        intake.check()
        given = request.amount_tyiyn if request.HasField("amount_tyiyn") else None
        command = await self._command(
            intake,
            request_id,
            {},
            customer_id=customer_id,
            card_id=card_id,
            operation=Operation.QR_PAYMENT,
            payee_kind=PayeeKind.MERCHANT,
            payee_code=_merchant(intake, code),
            merchant_category_code=code.mcc,
            amount_tyiyn=_qr_amount(intake, code, given),
            currency_code=code.currency,
            code_key=_code_key(intake, code),
        )
        return await self._prepare(command, request_id, {})

    async def _command(
        self, intake: Intake, request_id: bytes, entered: Mapping[str, str], **values: Any
    ) -> PreparePayment:
        intake.check()
        customer_id: UUID = values["customer_id"]
        place = (request_id, PaymentPrepared.TOPIC)
        sealed = await self._customers.in_vault(self._vault.seal_fields, customer_id.bytes, place, entered)
        return intake.build(PreparePayment, {**values, "fields": sealed or {}}, {"payee_code": "qr_text"})

    async def _prepare(self, command: PreparePayment, request_id: bytes, fields: Mapping[str, str]) -> Done:
        done = await self._gateway.execute(command, request_id, validate_only=False)
        if done.replayed:
            shown = await self.shown(expect(done.subject, Payment))
            if dict(shown.fields) != dict(fields) and ERASED not in shown.fields.values():
                raise Refused(refuse(Reason.REQUEST_ID_REUSED))
        return done

    # Confirming.

    async def confirm(self, command: ConfirmPayment, request_id: bytes, *, validate_only: bool) -> Done:
        """Confirm a payment; ask its provider, and wait for the answer a while; raises Refused."""
        done = await self._gateway.execute(command, request_id, validate_only=validate_only)
        payment = expect(done.subject, Payment)
        if validate_only or payment.details.payee_kind is PayeeKind.MERCHANT:
            return done._replace_subject(payment) if False else done
        task = self._see_through(payment)
        waited = min(self._patience, max(0.0, calls.current().remaining() - _MARGIN))
        await asyncio.wait({task}, timeout=waited)
        return done
