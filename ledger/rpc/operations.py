"""Finding an operation by its id, whatever it is, and telling it as a person understands it.

A movement between banks goes through their settlement accounts, and a fee is a movement beside it: a person is told
who paid, who was paid in the end, and what else left the payer's account.
"""

from domain import ids
from domain.account import Account
from domain.aggregate import Aggregate, fold
from domain.authorization import Authorization, AuthorizationDeclined, ForcePosted, RefundPosted, State
from domain.credit import CreditFile
from domain.services.catalogue import Names
from domain.transfer import Transfer, fees, payee
from ledger.engine.lookup import history
from ledger.rpc.facts import AccountFacts
from ledger.rpc.gateway import Gateway
from ledger.rpc.text import words
from ledger.rpc.text.masking import masked_account
from ledger.rpc.text.receipts import Fee, Operation


class Operations:
    """Reads operations from the log."""

    def __init__(self, gateway: Gateway, facts: AccountFacts) -> None:
        self._gateway = gateway
        self._facts = facts

    async def find(self, operation_id: bytes, position: int, now: int) -> tuple[Operation, str] | None:
        """Return an operation as at a position and a time, and the bank of its account; None when there is none."""
        found = await self._gateway.question(self._read, operation_id, position)
        if found is None:
            return None
        subject, recorded_at = found
        match subject:
            case Transfer():
                account = subject.debit_account
                told = await self._transfer(subject, position)
            case Authorization():
                account = subject.account
                told = await self._authorization(subject, position, now)
            case ForcePosted() | RefundPosted():
                account = subject.account
                told = await self._clearing(subject, operation_id, recorded_at, position)
            case _:
                return None
        return told, (await self._facts.of(account)).participant_id

    def _read(self, operation_id: bytes, position: int) -> tuple[Aggregate, int] | None:
        rows = self._gateway.engine.log.aggregate(self._gateway.engine.partition, operation_id)
        rows = [row for row in rows if row.position <= position]
        subject = fold(history(rows))
        return None if subject is None else (subject, rows[0].recorded_at)

    async def _transfer(self, transfer: Transfer, position: int) -> Operation:
        facts = await self._facts.of(transfer.debit_account)
        return Operation(
            kind=transfer.kind,
            operation_id=ids.format_uuid(transfer.transfer_id),
            time=transfer.effective_time,
            debited=await self._payer(transfer, position),
            credited=await self._masked(payee(transfer), position),
            amount=transfer.amount,
            currency=facts.currency_code,
            state=_transfer_state(transfer),
            fees=tuple(Fee(leg.kind, leg.amount) for leg in fees(transfer)),
            figures=((words.REVERSED, transfer.reversed_amount),) if transfer.reversed_amount else (),
            reference=transfer.reference,
            reason="" if transfer.decline is None else transfer.decline[0],
        )

    async def _payer(self, transfer: Transfer, position: int) -> str:
        """Return who pays: by the name that a credit file gives, as in what people are told of it."""
        if transfer.credit is not None:
            found = await self._gateway.question(self._read, transfer.credit[0], position)
            if found is not None and isinstance(found[0], CreditFile) and found[0].payer_name:
                return found[0].payer_name
        return await self._masked(transfer.debit_account, position)

    async def _authorization(self, authorization: Authorization, position: int, now: int) -> Operation:
        details = authorization.details
        lapsed = authorization.open and authorization.expires_at <= now
        told = {
            words.HELD_AMOUNT: 0 if lapsed else authorization.remaining,
            words.CAPTURED: authorization.captured,
            words.REVERSED: authorization.reversed,
            words.REFUNDED: authorization.refunded,
        }
        return Operation(
            kind=details.kind,
            operation_id=ids.format_uuid(authorization.authorization_id),
            time=authorization.created_at if details.effective_time is None else details.effective_time,
            debited=await self._masked(details.account, position),
            credited=await self._masked(details.credit_account, position),
            amount=details.amount,
            currency=(await self._facts.of(details.account)).currency_code,
            state=words.STATES[State.EXPIRED if lapsed else authorization.state],
            figures=tuple((name, amount) for name, amount in told.items() if amount),
            merchant=details.merchant_name,
            reference=details.reference,
            reason=details.reason if isinstance(details, AuthorizationDeclined) else "",
            held_until=authorization.expires_at if authorization.open and not lapsed else None,
            card=details.masked_number,
        )

    async def _clearing(
        self, event: ForcePosted | RefundPosted, operation_id: bytes, recorded_at: int, position: int
    ) -> Operation:
        first = event.legs[0]
        refund = isinstance(event, RefundPosted)
        return Operation(
            kind="refund" if refund else "force_post",
            operation_id=ids.format_uuid(operation_id),
            time=recorded_at if event.effective_time is None else event.effective_time,
            debited=await self._masked(first.debit_account, position),
            credited=await self._masked(first.credit_account, position),
            amount=event.amount,
            currency=(await self._facts.of(event.account)).currency_code,
            state=words.POSTED,
            merchant=event.merchant_name,
            reference=event.reference,
        )

    async def _masked(self, account_id: int, position: int) -> str:
        """Return an account's masked number; an account that does not exist (of a decline) by its id."""
        found = await self._gateway.question(self._read, ids.account_originator(account_id), position)
        number = found[0].number if found is not None and isinstance(found[0], Account) else ""
        return masked_account(number, account_id)


def _transfer_state(transfer: Transfer) -> Names:
    if transfer.decline is not None:
        return words.DECLINED
    if transfer.reversed_whole:
        return words.UNDONE
    return words.PARTLY_UNDONE if transfer.reversed_amount else words.POSTED
