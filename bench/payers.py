"""Payers who pay a café by its QR code: prepared beforehand, then timed from the scan to the money's being there."""

import asyncio
from collections.abc import Sequence
from time import perf_counter

from bench.phones import Payers
from bench.windows import Window
from domain.qr import QrCode, QrFormat, write_elqr
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_FEE_INCOME, ACCOUNT_KIND_SETTLEMENT, AccountKind
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.participant_pb2 import ParticipantNames
from protos.esep.v1.participant_service_pb2 import RegisterParticipantRequest
from protos.esep.v1.payee_pb2 import PAYEE_KIND_MERCHANT
from protos.esep.v1.payee_service_pb2 import RegisterPayeeRequest
from protos.esep.v1.payment_service_pb2 import ConfirmPaymentRequest, PrepareQrPaymentRequest

_BANK = "bench"
_MERCHANT = "cafe"
_DEADLINE = 60.0
_AMOUNT = 100


class QrPayers(Payers):
    """One customer with many cards, each in a program of its own."""

    def open(self, accounts: Sequence[int], merchant: int) -> None:
        """Register bank and café, and bind a card of each of these accounts."""
        self._cards: list[str] = []
        self._runner.run(self._open(accounts, merchant))

    def scan(self, count: int) -> Window:
        """Prepare and confirm so many payments, each pair in order; every call counts."""
        each = count // len(self._cards)
        code = QrCode(format=QrFormat.ELQR, dynamic=False, amount_editable=True, merchant_id=_MERCHANT)
        text = write_elqr(code)
        requests = [
            [
                (
                    PrepareQrPaymentRequest(
                        request_id=payment_id,
                        customer_id=self._customer_id,
                        card_id=card_id,
                        qr_text=text,
                        amount_tyiyn=_AMOUNT,
                    ),
                    ConfirmPaymentRequest(request_id=confirm, payment_id=payment_id, customer_id=self._customer_id),
                )
                for payment_id, confirm in zip(self._ids.texts(each), self._ids.texts(each), strict=True)
            ]
            for card_id in self._cards
        ]
        return self._runner.run(self._scan(requests))

    async def _open(self, accounts: Sequence[int], merchant: int) -> None:
        await self._set_no_limits()
        bank, payee = self._ids.texts(2)
        await self._ledger.participants.RegisterParticipant(
            RegisterParticipantRequest(
                request_id=bank,
                participant_id=_BANK,
                names=ParticipantNames(ky=_BANK, ru=_BANK, en=_BANK),
                settlement_account_id=await self._account(ACCOUNT_KIND_SETTLEMENT),
                fee_account_id=await self._account(ACCOUNT_KIND_FEE_INCOME),
            ),
            timeout=_DEADLINE,
        )
        await self._ledger.payees.RegisterPayee(
            RegisterPayeeRequest(
                request_id=payee,
                kind=PAYEE_KIND_MERCHANT,
                code=_MERCHANT,
                participant_id=_BANK,
                account_id=merchant,
                name=_MERCHANT,
            ),
            timeout=_DEADLINE,
        )
        self._customer_id = await self._customer()
        self._cards = [await self._card(self._customer_id, place, account) for place, account in enumerate(accounts)]

    async def _account(self, kind: AccountKind.ValueType) -> int:
        (request_id,) = self._ids.texts(1)
        request = OpenAccountRequest(request_id=request_id, participant_id=_BANK, kind=kind)
        opened = await self._ledger.accounts.OpenAccount(request, timeout=_DEADLINE)
        return opened.account.account_id

    async def _scan(
        self, requests: Sequence[Sequence[tuple[PrepareQrPaymentRequest, ConfirmPaymentRequest]]]
    ) -> Window:
        latencies: list[float] = []

        async def application(pairs: Sequence[tuple[PrepareQrPaymentRequest, ConfirmPaymentRequest]]) -> None:
            for prepare, confirm in pairs:
                sent = perf_counter()
                await self._ledger.payments.PrepareQrPayment(prepare, timeout=_DEADLINE)
                shown = perf_counter()
                await self._ledger.payments.ConfirmPayment(confirm, timeout=_DEADLINE)
                latencies.extend(((shown - sent) * 1000, (perf_counter() - shown) * 1000))

        started = perf_counter()
        async with asyncio.TaskGroup() as group:
            for pairs in requests:
                group.create_task(application(pairs))
        return Window(len(latencies), perf_counter() - started, latencies)
