"""Two banks, a customer with a card at each, and the ways to pay from one to the other. Amounts are in tyiyn."""

from typing import Any, Self
from uuid import UUID

from domain.account import AccountKind, AccountOpened
from domain.alias import LinkPhone
from domain.card import CardBound, CardIssued
from domain.claim import ClaimMade
from domain.credentials import Verdict
from domain.customer import CustomerConfirmed, CustomerIdentified, CustomerRegistered, Tier
from domain.ids import account_originator, claim_id
from domain.participant import Names, ParticipantRegistered, participant_key
from domain.quoting import ConfirmQuote, CreateQuote
from domain.recipient import ToAccount, ToCard, ToPhone, ToQr
from domain.transfer import CreateTransfer
from domain.transfer_qr import IssueTransferQr, ScannedQr
from tests.domain.spec import CASH, POLICY, Spec, uid

ADIL, BAKYT, STRANGER = uid(11), uid(12), uid(13)
ADILS_CARD, BAKYTS_CARD, ADILS_SECOND_CARD, NOBODYS_CARD = uid(21), uid(22), uid(23), uid(24)
PHONE = uid(31)
ADILS, BAKYTS, SECOND, ANONYMOUS = 7, 8, 9, 10
SETTLE_A, FEES_A, SETTLE_B, FEES_B, UNREGISTERED = 11, 12, 13, 14, 15
NAMES = Names("Банк", "Банк", "Bank")
_ACCOUNTS = (
    (ADILS, "bank-a", AccountKind.CUSTOMER),
    (BAKYTS, "bank-b", AccountKind.CUSTOMER),
    (SECOND, "bank-a", AccountKind.CUSTOMER),
    (ANONYMOUS, "bank-a", AccountKind.CUSTOMER),
    (SETTLE_A, "bank-a", AccountKind.SETTLEMENT),
    (FEES_A, "bank-a", AccountKind.FEE_INCOME),
    (SETTLE_B, "bank-b", AccountKind.SETTLEMENT),
    (FEES_B, "bank-b", AccountKind.FEE_INCOME),
    (UNREGISTERED, "bank-c", AccountKind.CUSTOMER),
)
_CARDS = (
    (ADILS_CARD, ADILS, "bank-a", ADIL),
    (BAKYTS_CARD, BAKYTS, "bank-b", BAKYT),
    (ADILS_SECOND_CARD, SECOND, "bank-a", ADIL),
    (NOBODYS_CARD, ANONYMOUS, "bank-a", None),
)
EVERYBODY = (ADILS, BAKYTS, SECOND, ANONYMOUS, SETTLE_A, FEES_A, SETTLE_B, FEES_B, UNREGISTERED, CASH)


class TransferSpec(Spec):
    """Adil at bank A with 10,000 som and two cards, Bakyt at bank B, a card that is nobody's, and a bank outside."""

    def __init__(self) -> None:
        super().__init__(POLICY)
        for account, participant, kind in _ACCOUNTS:
            self.given((account_originator(account), AccountOpened(participant=participant, kind=kind, currency="KGS")))
        self.given(
            *(
                (
                    participant_key(participant),
                    ParticipantRegistered(
                        participant=participant, names=NAMES, settlement_account=settlement, fee_account=fees
                    ),
                )
                for participant, settlement, fees in (("bank-a", SETTLE_A, FEES_A), ("bank-b", SETTLE_B, FEES_B))
            )
        )
        for customer, participant in ((ADIL, "bank-a"), (BAKYT, "bank-b"), (STRANGER, "bank-b")):
            registered = CustomerRegistered(participant=participant, login=b"x", phone=b"y", confirm_by=self.now)
            self.given(
                (customer, registered),
                (customer, CustomerConfirmed()),
                (customer, CustomerIdentified(tier=Tier.IN_PERSON)),
            )
        for card, account, participant, customer_id in _CARDS:
            issued = CardIssued(
                participant=participant, account=account, masked="941700******1234", expires=2039_12, par="P" * 29
            )
            self.given((card, issued))
            if customer_id is not None:
                self.given((card, CardBound(customer=customer_id, binding=uid(90))))
        for number, account in (("1250", BAKYTS), ("777", SETTLE_B), ("900", UNREGISTERED)):
            participant = "bank-c" if account == UNREGISTERED else "bank-b"
            holder = UUID(bytes=account_originator(account))
            key = f"{participant}/{number}"
            made = ClaimMade(kind="account_number", key=key, holder=holder)
            self.given((claim_id("account_number", key), made))
        self.funds(ADILS, 1_000_000)

    def quote(self, recipient: Any, amount: int | None = 100_000, **fields: Any) -> CreateQuote:
        """Return the command for Adil's quote."""
        given = {"customer_id": ADIL, "card_id": ADILS_CARD, **fields}
        return CreateQuote(recipient=recipient, amount_tyiyn=amount, **given)

    def quoted(self, recipient: Any, amount: int | None = 100_000, **fields: Any) -> UUID:
        """Make a quote that must succeed; return its id."""
        self.given_done(self.quote(recipient, amount, **fields))
        assert isinstance(self.decided, list)
        return UUID(bytes=self.decided[0].originator_id)

    def confirm(self, quote_id: UUID, customer_id: UUID = ADIL) -> Self:
        """Confirm a quote."""
        return self.when(ConfirmQuote(quote_id=quote_id, customer_id=customer_id))

    def confirmed(self, quote_id: UUID) -> UUID:
        """Confirm a quote, which must succeed; return the transfer's id."""
        self.given_done(ConfirmQuote(quote_id=quote_id, customer_id=ADIL))
        assert isinstance(self.decided, list)
        return UUID(bytes=self.decided[0].originator_id)

    def linked(self, customer: UUID = BAKYT, card: UUID = BAKYTS_CARD) -> Self:
        """Let the phone number lead to a card."""
        return self.given_done(link(customer, card))

    def issued(self, **fields: Any) -> tuple[UUID, ScannedQr]:
        """Issue a code for Bakyt's card; return its id and what a scan of it says."""
        given = {"customer_id": BAKYT, "card_id": BAKYTS_CARD, "provider": "p2p.elcart.kg", **fields}
        self.given_done(IssueTransferQr(**given))
        assert isinstance(self.decided, list)
        qr_id = UUID(bytes=self.decided[0].originator_id)
        return qr_id, ScannedQr.of(self.life(qr_id).code("Бакыт А."))

    def balances(self) -> dict[int, int]:
        """Return every account's posted balance that is not 0, cash left out."""
        posted = self.books.accounts.posted
        return {account: posted[account] for account in EVERYBODY if posted[account] and account != CASH}

    def total(self) -> int:
        """Return the sum of all accounts, which is 0 whatever happens."""
        return sum(self.books.accounts.posted)

    def spend(self, account: int, amount: int) -> CreateTransfer:
        """Return the command that takes money out of an account."""
        return self.transfer(account, CASH, amount)


def link(customer: UUID, card: UUID, verdict: Verdict = Verdict.RIGHT, **fields: Any) -> LinkPhone:
    """Return the command that lets the phone number lead to a card."""
    given = {"own": False, "phone": b"sealed", **fields}
    return LinkPhone(alias_id=PHONE, customer_id=customer, card_id=card, verdict=verdict, **given)


TO_CARD = ToCard(card_id=BAKYTS_CARD)
TO_PHONE = ToPhone(alias_id=PHONE)
TO_ACCOUNT = ToAccount(participant_id="bank-b", account_number="1250")


def to_qr(code: ScannedQr) -> ToQr:
    """Return a scanned code as recipient."""
    return ToQr(code=code)
