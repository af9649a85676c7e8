"""Carrying payments through: what the catalogue, the QR code and the provider say, and the provider's answer.

A provider is asked in a task of its own, which no caller can cancel. A server that ended in between leaves payments
that wait: ``keep`` finds them, asks how each stands, and asks again until somebody says. Never is a delivery asked for
twice unless the provider says that it has never heard of the first: the question is recorded before it is put.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

import structlog

from domain import ids
from domain.command import Command
from domain.customer import ERASED
from domain.pay import ConfirmPayment, PreparePayment
from domain.payee import Payee, PayeeKind
from domain.payment import Payment, PaymentPrepared, PaymentState
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from domain.rules import Operation
from domain.services.catalogue import Catalogue, FixedAmount, Service
from domain.services.fields import amount_violations, field_violations
from domain.settle import Answer, AnswerPayment, AskProvider
from domain.times import SECOND
from ledger.rpc import calls
from ledger.rpc.callers import ITSELF, Role
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake
from ledger.rpc.outcomes import Done
from ledger.rpc.personal import PersonalData
from ledger.rpc.providers import SILENCE, Delivery, Order, Providers
from ledger.rpc.settings import RpcSettings
from ledger.rpc.tellers import expect
from ledger.rpc.translate.payment import merchant_code, payment_message, qr_amount, read_code, transaction_key
from ledger.rpc.vault_work import VaultWork
from ledger.vault.vault import Vault
from projections.queries import Reader
from projections.resources import PAYMENT
from projections.store import ProjectionsNotReadyError, ProjectionsUnreachableError
from protos.esep.v1 import payment_pb2
from protos.esep.v1 import payment_service_pb2 as pb

BENEFICIARY: Final = "beneficiary"
"""The field that holds what the provider told of the beneficiary; no field of a service is named so."""
_NAME: Final = f"_{BENEFICIARY}"
_PATHS: Final = {"payee_code": "qr_text", "merchant_category_code": "qr_text", "code_key": "qr_text"}
"""Fields of the command that follow from the code that was scanned."""
_WAITING: Final = (PaymentState.PROCESSING.value, PaymentState.UNRESOLVED.value)
_MARGIN: Final = 0.5
"""Seconds of a call's deadline that are kept for the answer."""
_LONG: Final = 60.0
_LONGEST_PAUSE: Final = 600.0
_PAGE: Final = 1_000
_AT_ONCE: Final = 64
"""How many payments are asked after at once."""
TOP_UPS: Final = "mobile"
"""The category of the directory whose payments are top-ups."""

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
        work: VaultWork,
        vault: Vault,
        personal: PersonalData,
        catalogue: Catalogue,
        providers: Providers,
        reader: Reader,
        clock: Clock,
        settings: RpcSettings,
    ) -> None:
        self._gateway = gateway
        self._work = work
        self._vault = vault
        self._personal = personal
        self._catalogue = catalogue
        self._providers = providers
        self._reader = reader
        self._clock = clock
        self._patience = settings.provider_patience_seconds
        self._poll_seconds = settings.provider_poll_seconds
        self._asking = asyncio.Semaphore(_AT_ONCE)
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
        fields = {name: entered for name, entered in sorted(request.fields.items()) if entered}
        amount = _amount(service, request.amount_tyiyn if request.HasField("amount_tyiyn") else None)
        intake.violations += field_violations(service, fields)
        intake.violations += [] if amount is None else amount_violations(service, amount)
        if amount is None:
            intake.wrong("amount_tyiyn", "MISSING", "is required: the service has no fixed price")
        intake.check()
        command = await self._command(
            intake,
            request_id,
            fields,
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
        if await self._may_ask(command, request_id):
            said = await self._providers.check(service.provider_id, service.id, fields)
            if not said.known:
                raise Refused(refuse(Reason.BENEFICIARY_UNKNOWN, service_id=service.id))
            if said.masked_name:
                entered = {**fields, _NAME: said.masked_name}
                command = command.model_copy(update={"fields": await self._sealed(command, request_id, entered)})
        return await self._prepare(command, request_id, fields)

    async def _may_ask(self, command: PreparePayment, request_id: bytes) -> bool:
        """Tell whether the provider is to be asked about the beneficiary: not for a repeat, nor for who could not pay.

        Otherwise anybody could have names told by numbers.
        """
        if await self._gateway.recorded(request_id):
            return False  # A repeat is answered whatever the provider says now.
        try:
            await self._gateway.execute(command, request_id, validate_only=True)
        except Refused:
            return False  # As the decision will be, which records why.
        return True

    async def prepare_qr(self, request: pb.PrepareQrPaymentRequest) -> Done:
        """Read a merchant's code, and prepare the payment that it asks for; raises Refused."""
        intake = Intake()
        request_id = intake.request_id(request.request_id)
        customer_id = intake.uuid(request.customer_id, "customer_id")
        card_id = intake.uuid(request.card_id, "card_id")
        code = read_code(intake, request.qr_text)
        given = request.amount_tyiyn if request.HasField("amount_tyiyn") else None
        command = await self._command(
            intake,
            request_id,
            {},
            customer_id=customer_id,
            card_id=card_id,
            operation=Operation.QR_PAYMENT,
            payee_kind=PayeeKind.MERCHANT,
            payee_code=merchant_code(code),
            merchant_category_code=code.mcc,
            amount_tyiyn=qr_amount(intake, code, given),
            currency_code=code.currency,
            code_key=transaction_key(code, request.qr_text),
        )
        return await self._prepare(command, request_id, {})

    async def _command(
        self, intake: Intake, request_id: bytes, entered: Mapping[str, str], **values: Any
    ) -> PreparePayment:
        intake.check()
        command = intake.build(PreparePayment, values, _PATHS)
        return command.model_copy(update={"fields": await self._sealed(command, request_id, entered)})

    async def _sealed(self, command: PreparePayment, request_id: bytes, entered: Mapping[str, str]) -> dict[str, bytes]:
        """Return what was entered encrypted under the payer's key, nothing for nobody's."""
        place, payer = (request_id, PaymentPrepared.TOPIC), command.customer_id.bytes
        return await self._work.run(self._vault.seal_fields, payer, place, entered)

    async def _prepare(self, command: PreparePayment, request_id: bytes, fields: Mapping[str, str]) -> Done:
        done = await self._gateway.execute(command, request_id, validate_only=False)
        if done.replayed:
            shown = await self.shown(expect(done.subject, Payment))
            if dict(shown.fields) != dict(fields) and ERASED not in shown.fields.values():
                raise Refused(refuse(Reason.REQUEST_ID_REUSED))
        return done

    # Confirming.

    async def confirm(self, command: ConfirmPayment, request_id: bytes, *, validate_only: bool) -> Done:
        """Confirm a payment; where its provider is to be asked, wait a while for the answer; raises Refused."""
        done = await self._gateway.execute(command, request_id, validate_only=validate_only)
        payment = expect(done.subject, Payment)
        task = self._under_way.get(payment.payment_id)
        if not validate_only and not done.replayed and payment.state is PaymentState.PROCESSING:
            task = self._see_through(payment, fresh=True)
        if task is not None:
            waited = min(self._patience, max(0.0, calls.current().remaining() - _MARGIN))
            await asyncio.wait({task}, timeout=waited)
        return done

    async def execute(self, command: Command, request_id: bytes, *, validate_only: bool) -> Done:
        """Carry out a command that needs no provider; raises Refused."""
        return await self._gateway.execute(command, request_id, validate_only=validate_only)

    # Telling.

    async def current(self, payment_id: bytes) -> Payment:
        """Return a payment as it is now; raises Refused."""
        found = await self._gateway.current(payment_id)
        if not isinstance(found, Payment):
            raise Refused(refuse(Reason.PAYMENT_NOT_FOUND, payment_id=ids.format_uuid(payment_id)))
        return found

    async def shown(self, payment: Payment) -> Shown:
        """Return a payment with what was entered, in clear as far as it can still be read."""
        details = payment.details
        place = (payment.payment_id, PaymentPrepared.TOPIC)
        fields = await self._personal.fields(details.customer.bytes, place, details.fields)
        beneficiary = fields.pop(_NAME, "")
        return Shown(payment, fields, beneficiary)

    async def message(self, payment: Payment) -> payment_pb2.Payment:
        """Return a payment as it is told: to an auditor, without what is known of people."""
        if calls.current().who.role is Role.AUDITOR:
            return payment_message(payment, {}, "", self._clock.now())
        shown = await self.shown(payment)
        return payment_message(payment, shown.fields, shown.beneficiary, self._clock.now())

    async def outcome(self, done: Done) -> payment_pb2.Payment:
        """Return the payment that a request was about, as it was just after."""
        return await self.message(expect(done.subject, Payment))

    async def standing(self, done: Done) -> payment_pb2.Payment:
        """Return the payment that a request was about, as it is now: a confirmation is answered with what followed."""
        return await self.message(await self.current(done.change.originator_id))

    # The provider.

    def _see_through(self, payment: Payment, *, fresh: bool) -> asyncio.Task[None]:
        """Ask the provider in a task that outlives the call; ``fresh``: nobody has asked it before."""
        task = asyncio.get_running_loop().create_task(self._ask(payment, fresh=fresh))
        self._under_way[payment.payment_id] = task
        task.add_done_callback(lambda _: self._under_way.pop(payment.payment_id, None))
        return task

    async def _ask(self, payment: Payment, *, fresh: bool) -> None:
        calls.enter(calls.Call(ITSELF, asyncio.get_running_loop().time() + _LONG))
        try:
            if fresh:
                order = await self._order(payment)
                await self._take(payment, await self._deliver(order))
            else:
                async with self._asking:
                    await self._ask_status(payment.payment_id)
        except Refused as refused:  # Somebody else was quicker, or the ledger does not serve: the next round sees.
            _log.info(
                "payment.waits", payment_id=ids.format_uuid(payment.payment_id), reason=refused.refusal.reason.name
            )
        except Exception:  # noqa: BLE001 - nobody waits for this task: the next round asks again
            _log.exception("payment.failed", payment_id=ids.format_uuid(payment.payment_id))

    async def _ask_status(self, payment_id: bytes) -> None:
        payment = await self.current(payment_id)  # What the projections tell may be out of date.
        if payment.state.value not in _WAITING:
            return
        order = await self._order(payment)
        said = await self._providers.status(order)
        if said.unheard and ERASED not in order.fields.values():
            said = await self._ask_again(order)
        await self._take(payment, said)

    async def _order(self, payment: Payment) -> Order:
        payee = await self._gateway.current(payment.details.payee.bytes)
        return Order(payment, expect(payee, Payee).code, (await self.shown(payment)).fields)

    async def _ask_again(self, order: Order) -> Delivery:
        payment, attempt = order.payment, order.payment.attempts + 1
        command = AskProvider(payment_id=UUID(bytes=payment.payment_id), attempt=attempt)
        await self.execute(command, ids.derived_id(payment.payment_id, f"ask:{attempt}"), validate_only=False)
        return await self._deliver(order)

    async def _deliver(self, order: Order) -> Delivery:
        """Ask the provider to deliver; to nobody whose data cannot be read any more: an operator decides of that."""
        return SILENCE if ERASED in order.fields.values() else await self._providers.deliver(order)

    async def _take(self, payment: Payment, said: Delivery) -> None:
        if said.answer is Answer.UNKNOWN and payment.state is PaymentState.UNRESOLVED:
            return
        command = AnswerPayment(
            payment_id=UUID(bytes=payment.payment_id),
            answer=said.answer,
            provider_reference=said.reference,
            explanation=said.explanation,
        )
        name = f"answer:{said.answer.value}"
        try:
            await self.execute(command, ids.derived_id(payment.payment_id, name), validate_only=False)
        except Refused as refused:
            if not refused.refusal.reason.value.recorded:
                raise
            await self._take_anew(command, ids.derived_id(payment.payment_id, f"{name}:{self._clock.now()}"))

    async def _take_anew(self, command: AnswerPayment, request_id: bytes) -> None:
        """Decide anew on an answer that was declined, under an id of its own; tried first, so no decline fills the log.

        A decline is final for its id, but not for the payment: a payee whose account was full may have room by now.
        """
        await self.execute(command, request_id, validate_only=True)
        await self.execute(command, request_id, validate_only=False)

    # Upkeep.

    async def keep(self) -> None:
        """Ask after payments that wait for their provider, until cancelled."""
        next_ask: dict[bytes, tuple[float, float]] = {}
        while True:
            await asyncio.sleep(self._poll_seconds)
            if not self._gateway.engine.serving:
                continue
            try:
                waiting = await self._gateway.in_thread(self._waiting)
            except (Refused, ProjectionsUnreachableError, ProjectionsNotReadyError):
                continue
            self._ask_after(waiting, next_ask)

    def _waiting(self) -> list[Payment]:
        """Return the payments that wait for their provider, page by page: one that is silent hides no other."""
        found: list[Payment] = []
        after = None
        while True:
            page = self._reader.resources_in_state(PAYMENT, _WAITING, after=after, limit=_PAGE).result
            found += [one.resource for one in page]
            if len(page) < _PAGE:
                return found
            after = page[-1].cursor

    def _ask_after(self, waiting: list[Payment], next_ask: dict[bytes, tuple[float, float]]) -> None:
        """Ask after those whose turn it is: each less often the longer it waits."""
        now = asyncio.get_running_loop().time()
        known = {payment.payment_id for payment in waiting}
        for payment_id in next_ask.keys() - known:
            del next_ask[payment_id]
        patient = self._clock.now() - int(self._patience * SECOND)
        for payment in waiting:
            at, pause = next_ask.get(payment.payment_id, (now, self._poll_seconds))
            if at > now or payment.asked_at > patient or payment.payment_id in self._under_way:
                continue
            next_ask[payment.payment_id] = (now + pause, min(pause * 2, _LONGEST_PAUSE))
            self._see_through(payment, fresh=False)

    async def close(self) -> None:
        """Let go of what is under way: whoever serves next asks after it."""
        for task in list(self._under_way.values()):
            task.cancel()
        await self._providers.close()


def _amount(service: Service, given: int | None) -> int | None:
    if given is None and isinstance(service.price, FixedAmount):
        return service.price.amount_tyiyn
    return given
