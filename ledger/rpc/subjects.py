"""Whose is it: the participants that own what a request is about, found without telling whether it exists.

Whatever a request names that does not exist, or is no id at all, is nobody's. So a caller that is held to its own
gets one and the same answer about what is another's and about what is not there.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from domain import ids
from domain.authorization import ACQUIRER_CLAIM, Authorization, ForcePosted, RefundPosted
from domain.bulk import Bulk, asked_legs
from domain.card import Card
from domain.claim import Claim
from domain.credit import CreditFile
from domain.customer import Customer, Taken
from domain.payee import Payee
from domain.payment import Payment
from domain.refusals import Refused
from domain.token import Token
from domain.transfer import Transfer
from domain.wallet import Wallet, wallet_id
from ledger.rpc.cards import Cards
from ledger.rpc.customers import Customers
from ledger.rpc.facts import AccountFacts
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import parsed
from ledger.rpc.permissions import Subject
from ledger.rpc.whereabouts import A_BULK, A_TRANSFER, ANYTHING, Topics, which

Participants = tuple[str | None, ...]
NOBODY: Final[Participants] = (None,)
"""Of whatever does not exist: no caller's participant."""


class Whose(NamedTuple):
    """The owners of what a request is about, the counterparties, the accounts that are read, and the customer."""

    owners: Participants
    counterparties: Participants = NOBODY
    accounts: tuple[int, ...] = ()
    customer: bytes | None = None
    """The customer; of a card, the one to whom it is bound."""


NOBODYS: Final = Whose(NOBODY)

_OF_ANY_PARTITION: Final[Mapping[Subject, tuple[str, Topics]]] = {
    Subject.TRANSFER: ("transfer_id", A_TRANSFER),
    Subject.TRANSFER_BACK: ("transfer_id", A_TRANSFER),
    Subject.BULK: ("bulk_id", A_BULK),
    Subject.BULK_LEG_BACK: ("bulk_id", A_BULK),
}
"""The fields with the ids of what may have been made in any partition, and with which events it begins."""


class Subjects:
    """Finds out whose something is."""

    def __init__(self, gateway: Gateway, facts: AccountFacts, customers: Customers, cards: Cards) -> None:
        self._gateway = gateway
        self._facts = facts
        self._customers = customers
        self._cards = cards
        self._found: dict[Subject, Callable[[Any], Awaitable[Whose]]] = {
            Subject.NOTHING: self._nothing,
            Subject.PARTICIPANT: self._participant,
            Subject.ACCOUNT: self._account,
            Subject.ACCOUNTS: self._accounts,
            Subject.ACCOUNT_OR_PARTICIPANT: self._account_or_participant,
            Subject.PARTICIPANT_AND_ACCOUNT: self._participant_and_account,
            Subject.CUSTOMER: self._customer,
            Subject.NEW_TRANSFER: self._new_transfer,
            Subject.TRANSFER: self._transfer,
            Subject.TRANSFER_BACK: self._transfer_back,
            Subject.NEW_AUTHORIZATION: self._new_authorization,
            Subject.AUTHORIZATION: self._authorization,
            Subject.AUTHORIZATION_OR_REFERENCE: self._authorization_or_reference,
            Subject.ANNOUNCED_REFUND: self._announced_refund,
            Subject.REFUND: self._refund,
            Subject.OPERATION: self._operation,
            Subject.TAP: self._tap,
            Subject.TOKEN: self._token,
            Subject.TOKENS: self._tokens_of,
            Subject.CARD: self._card,
            Subject.CARDS: self._cards_of,
            Subject.BULK: self._bulk,
            Subject.BULK_LEG_BACK: self._bulk_leg_back,
            Subject.CREDIT_FILE: self._credit_file,
            Subject.PAYEE: self._payee,
            Subject.PAYMENT: self._payment,
            Subject.PAYMENTS: self._payments_of,
            Subject.NOTIFICATIONS: self._notifications,
        }

    async def settle(self, subject: Subject, request: Any) -> None:
        """Have a request about something of any partition name the one; raises Refused.

        Before anything is decided about it, and once: looked for again, there might be another thing under its id, and
        what is allowed would not be what is done.
        """
        field, topics = _OF_ANY_PARTITION.get(subject, ("", ANYTHING))
        made_id = parsed(getattr(request, field)) if field else None
        if made_id is not None:
            request.partition = await self._gateway.home_of(made_id, which(request), topics)

    async def whose(self, subject: Subject, request: Any) -> Whose:
        """Return whose a request's subject is."""
        return await self._found[subject](request)

    async def customer(self, customer_id: bytes) -> Customer | None:
        """Return a customer who was not erased."""
        found = await self._gateway.current(customer_id)
        return found if isinstance(found, Customer) and not found.erased else None

    async def accounts_of(self, customer_id: bytes) -> set[int]:
        """Return the accounts of which a card is bound to a customer now."""
        wallet = await self._gateway.current(wallet_id(customer_id))
        found = [await self._gateway.current(card) for card in wallet.cards] if isinstance(wallet, Wallet) else []
        return {card.account for card in found if isinstance(card, Card) and card.customer == customer_id}

    async def _nothing(self, _request: Any) -> Whose:
        return NOBODYS

    async def _participant(self, request: Any) -> Whose:
        return Whose((request.participant_id,))

    async def _account(self, request: Any) -> Whose:
        if "account_number" in request.DESCRIPTOR.fields_by_name and request.HasField("account_number"):
            return Whose((request.account_number.participant_id,))
        return Whose(await self._banks([request.account_id]), accounts=(request.account_id,))

    async def _accounts(self, request: Any) -> Whose:
        accounts = tuple(dict.fromkeys(request.account_ids))
        return Whose(await self._banks(accounts) or NOBODY, accounts=accounts)

    async def _account_or_participant(self, request: Any) -> Whose:
        match request.WhichOneof("owner"):
            case "participant_id":
                return await self._participant(request)
            case "card_id":
                card = await self._current(request.card_id)
                return Whose((card.participant,), accounts=(card.account,)) if isinstance(card, Card) else NOBODYS
            case _:
                return await self._account(request)

    async def _participant_and_account(self, request: Any) -> Whose:
        return Whose((request.participant_id, *await self._banks([request.account_id])))

    async def _customer(self, request: Any) -> Whose:
        customer_id = await self._named_customer(request)
        found = None if customer_id is None else await self._gateway.current(customer_id)
        if not isinstance(found, Customer):
            return NOBODYS
        return Whose((found.participant,), customer=found.customer_id)

    async def _named_customer(self, request: Any) -> bytes | None:
        if "customer" in request.DESCRIPTOR.oneofs_by_name:
            match request.WhichOneof("customer"):
                case "login":
                    return await self._customers.find(Taken.LOGIN, request.login.lower())
                case "phone_number":
                    return await self._customers.find(Taken.PHONE, request.phone_number)
                case _:
                    pass
        return parsed(request.customer_id)

    async def _new_transfer(self, request: Any) -> Whose:
        new = request.transfer
        debits = (new.debit_account_id, *(leg.debit_account_id for leg in new.legs))
        return Whose(await self._banks(debits))

    async def _transfer(self, request: Any) -> Whose:
        transfer = await self._current(request.transfer_id, request.partition)
        return await self._moved(transfer) if isinstance(transfer, Transfer) else NOBODYS

    async def _moved(self, transfer: Transfer) -> Whose:
        debits = (transfer.debit_account, *(leg.debit_account for leg in transfer.legs))
        credits_ = (transfer.credit_account, *(leg.credit_account for leg in transfer.legs))
        return Whose(await self._banks(debits), await self._banks(credits_))

    async def _transfer_back(self, request: Any) -> Whose:
        forth = await self._transfer(request)
        return Whose(forth.counterparties, forth.owners)

    async def _new_authorization(self, request: Any) -> Whose:
        acquirer = await self._banks([request.credit_account_id])
        if request.acquirer_id not in ("", *acquirer):
            acquirer = NOBODY  # An acquirer uses up no references but its own.
        if request.WhichOneof("payer") == "card_id":
            card = await self._current(request.card_id)
            return Whose((card.participant,) if isinstance(card, Card) else NOBODY, acquirer)
        return Whose(await self._banks([request.account_id]), acquirer)

    async def _authorization(self, request: Any) -> Whose:
        return await self._held(await self._current(request.authorization_id))

    async def _authorization_or_reference(self, request: Any) -> Whose:
        named = next(oneof for oneof in ("original", "authorization") if oneof in request.DESCRIPTOR.oneofs_by_name)
        if request.WhichOneof(named) != "acquirer_reference":
            return await self._authorization(request)
        reference = request.acquirer_reference
        key = f"{reference.acquirer_id}/{reference.acquirer_reference}"
        claimed = await self._gateway.current(ids.claim_id(ACQUIRER_CLAIM, key))
        if isinstance(claimed, Claim) and claimed.holder is not None:
            return await self._held(await self._gateway.current(claimed.holder))
        return Whose(NOBODY, (reference.acquirer_id,))

    async def _announced_refund(self, request: Any) -> Whose:
        owners = await self._banks([request.account_id])
        if not request.authorization_id:
            return Whose(owners)
        original = await self._authorization(request)
        return Whose(owners, original.counterparties if original.owners == owners else NOBODY)

    async def _refund(self, request: Any) -> Whose:
        if request.WhichOneof("origin") == "merchant_credit":
            credit = request.merchant_credit
            return Whose(await self._banks([credit.merchant_account_id]), await self._banks([credit.account_id]))
        original = await self._authorization(request)
        return Whose(original.counterparties, original.owners)

    async def _operation(self, request: Any) -> Whose:
        found = await self._current(request.operation_id)
        match found:
            case Transfer():
                whose = await self._moved(found)
                return whose._replace(accounts=(found.debit_account,))
            case Authorization():
                return await self._held(found)
            case ForcePosted() | RefundPosted():
                debits, credits_ = zip(*((leg.debit_account, leg.credit_account) for leg in found.legs), strict=True)
                return Whose(await self._banks(debits), await self._banks(credits_), accounts=(found.account,))
            case _:
                return NOBODYS

    async def _tap(self, request: Any) -> Whose:
        acquirer = await self._banks([request.credit_account_id])
        if request.acquirer_id not in ("", *acquirer):
            acquirer = NOBODY  # An acquirer uses up no references but its own.
        return Whose(NOBODY, acquirer)

    async def _token(self, request: Any) -> Whose:
        token_id = parsed(request.token_id)
        found = None if token_id is None else await self._gateway.begun(token_id)  # Its owners never change.
        return Whose((found.participant,), customer=found.customer) if isinstance(found, Token) else NOBODYS

    async def _tokens_of(self, request: Any) -> Whose:
        return await (self._customer if request.WhichOneof("owner") == "customer_id" else self._card)(request)

    async def _card(self, request: Any) -> Whose:
        card = await self._named_card(request)
        if card is None:
            return NOBODYS
        owners: Participants = (card.participant,)
        if getattr(request, "replacement_card_id", ""):
            replacement = await self._current(request.replacement_card_id)
            owners += (replacement.participant,) if isinstance(replacement, Card) else NOBODY
        return Whose(owners, customer=card.customer)

    async def _named_card(self, request: Any) -> Card | None:
        if "card" in request.DESCRIPTOR.oneofs_by_name and request.WhichOneof("card") == "card_number":
            try:
                card_id = await self._cards.find(request.card_number)
            except Refused:
                return None
            found = await self._gateway.current(card_id)
        else:
            found = await self._current(request.card_id)
        return found if isinstance(found, Card) else None

    async def _cards_of(self, request: Any) -> Whose:
        if request.WhichOneof("owner") == "customer_id":
            return Whose(NOBODY, customer=parsed(request.customer_id))
        return await self._account_or_participant(request)

    async def _bulk(self, request: Any) -> Whose:
        bulk = await self._current(request.bulk_id, request.partition)
        return Whose(await self._banks(asked_legs(bulk.posted).payers)) if isinstance(bulk, Bulk) else NOBODYS

    async def _bulk_leg_back(self, request: Any) -> Whose:
        bulk = await self._current(request.bulk_id, request.partition)
        leg = bulk.leg(request.leg) if isinstance(bulk, Bulk) else None
        if leg is None:
            return NOBODYS
        return Whose(await self._banks([leg.credit_account]), await self._banks([leg.debit_account]))

    async def _credit_file(self, request: Any) -> Whose:
        file = await self._current(request.credit_file_id)
        return Whose((file.participant,)) if isinstance(file, CreditFile) else NOBODYS

    async def _payee(self, request: Any) -> Whose:
        payee = await self._current(request.payee_id)
        if not isinstance(payee, Payee):
            return NOBODYS
        account = getattr(request, "account_id", 0)
        return Whose((payee.participant, *(await self._banks([account]) if account else ())))

    async def _payment(self, request: Any) -> Whose:
        payment = await self._current(request.payment_id)
        if not isinstance(payment, Payment):
            return NOBODYS
        details = payment.details
        paid = await self._banks([details.credit_account])
        return Whose((details.participant,), paid, (details.account,), details.customer.bytes)

    async def _payments_of(self, request: Any) -> Whose:
        match request.WhichOneof("owner"):
            case "customer_id":
                return Whose(NOBODY, customer=parsed(request.customer_id))
            case "payee_id":
                return await self._payee(request)
            case _:
                return await self._participant(request)

    async def _notifications(self, request: Any) -> Whose:
        owners: Participants = (request.participant_id,) if request.participant_id else NOBODY
        return Whose(owners, customer=parsed(request.customer_id))

    async def _held(self, found: object) -> Whose:
        if not isinstance(found, Authorization):
            return NOBODYS
        return Whose(
            await self._banks([found.account]),
            await self._banks([found.details.credit_account]),
            accounts=(found.account,),
        )

    async def _current(self, text: str, partition: int = 0) -> object:
        aggregate_id = parsed(text)
        return None if aggregate_id is None else await self._gateway.current(aggregate_id, partition)

    async def _banks(self, accounts: Iterable[int]) -> Participants:
        """Return the participants of these accounts, and no more once one of them is nobody's."""
        banks: dict[str | None, None] = {}
        for account in accounts:
            facts = await self._facts.find(account)
            banks[None if facts is None else facts.participant_id] = None
            if facts is None:
                break
        return tuple(banks)
