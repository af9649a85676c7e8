"""An account's day and its operations, made by hand, and every receipt of them in every language.

``python -m tests.rpc.receipts`` writes the receipts into the files that the tests compare with.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.account import Account, AccountKind
from domain.authorization import Authorization, AuthorizationApproved, AuthorizationDeclined, State
from domain.services.catalogue import Language
from ledger.rpc.text import receipts, words
from ledger.rpc.text.receipts import Fee, Operation, Paper
from projections.answers import AuthorizationRecord, Balance, Overview, Source, StatementLine

GOLDEN: Final = Path(__file__).parent / "golden"
BISHKEK: Final = ZoneInfo("Asia/Bishkek")
SECOND: Final = 1_000_000
EVENING: Final = 1_795_287_900 * SECOND
"""22 November 2026, 01:05 in Bishkek: still the day before in UTC."""
HOUR: Final = 3_600 * SECOND
LONG_NAME: Final = "Государственное предприятие «Бишкектеплоэнерго»"
ACCOUNT: Final = 1_099_511_628_001


def paper(language: Language) -> Paper:
    """Return what the receipts have in common."""
    return Paper(language, BISHKEK, "ala-too", EVENING, 0, 4_711)


def line(amount: int, after: int, kind: str, ago: int, **fields: Any) -> StatementLine:
    """Return a movement so many hours ago."""
    known: dict[str, Any] = {
        "partition": 0,
        "position": 100 - ago,
        "leg": 0,
        "recorded_at": EVENING - ago * HOUR,
        "effective_time": EVENING - ago * HOUR,
        "counterparty": 1_099_511_628_777,
        "counterparty_number": "1240020000000417",
        "source_type": Source.TRANSFER,
        "source_id": b"",
        "reference": "",
        "merchant_name": "",
    }
    return StatementLine(kind=kind, amount=amount, balance_after=after, **(known | fields))


def hold(amount: int, kind: str, ago: int, state: State = State.OPEN, merchant: str = "") -> AuthorizationRecord:
    """Return an authorisation that was asked for so many hours ago."""
    shared: dict[str, Any] = {
        "account": ACCOUNT,
        "credit_account": 2,
        "amount": amount,
        "currency": "KGS",
        "kind": kind,
        "merchant_name": merchant,
        "rule_version": "1",
    }
    details = (
        AuthorizationDeclined(reason="INSUFFICIENT_FUNDS", **shared)
        if state is State.DECLINED
        else AuthorizationApproved(expires_at=EVENING + HOUR, **shared)
    )
    authorization = Authorization(
        authorization_id=b"",
        details=details,
        state=state,
        authorized=0 if state is State.DECLINED else amount,
        remaining=amount if state is State.OPEN else 0,
        expires_at=EVENING + HOUR,
        created_at=EVENING - ago * HOUR,
        updated_at=EVENING,
    )
    return AuthorizationRecord(0, 1, "ala-too", authorization)


def overview(lines: tuple[StatementLine, ...] = (), holds: tuple[AuthorizationRecord, ...] = ()) -> Overview:
    """Return an account with movements and authorisations."""
    account = Account(
        account_id=ACCOUNT,
        participant="ala-too",
        kind=AccountKind.CUSTOMER,
        currency="KGS",
        number="1240020000002099",
        overdraft_limit=0,
        minimum_balance=35_000,
        reference="",
        tags={},
        created_at=0,
        updated_at=0,
    )
    return Overview(account, Balance(ACCOUNT, "KGS", 3_990_450, 142_417, 3_813_033, 0, 35_000), lines, holds)


DAY: Final = overview(
    (
        line(-125_050, 3_990_450, "capture", 2, merchant_name=LONG_NAME),
        line(-1_000, 4_115_500, "fee", 3),
        line(-1_883_500, 4_116_500, "transfer_to_card", 3),
        line(6_000_000, 6_000_000, "salary", 30, counterparty_number="12"),
    ),
    (
        hold(417, "account_verification", 1, merchant="Elcart Mobile"),
        hold(142_000, "purchase", 5, merchant="Dordoi 4111 1111 1111 1111"),
    ),
)
HOLDS: Final = overview(
    holds=(
        *DAY.authorizations,
        hold(900_000_00, "atm_withdrawal", 6, State.DECLINED),
        hold(25_000, "service_payment", 7, State.CAPTURED, LONG_NAME),
        hold(70_000, "preauthorization", 8, State.REVERSED, "Hyatt Regency"),
        hold(1_000, "purchase", 200, State.EXPIRED),
    )
)
TRANSFER: Final = Operation(
    kind="transfer_to_card",
    operation_id=str(UUID(int=0x0190A1B2C3D47ABC8DEF0123456789AB)),
    time=EVENING,
    debited="**** 2099",
    credited="**** 0417",
    amount=1_883_500,
    currency="KGS",
    state=words.PARTLY_UNDONE,
    fees=(Fee("fee", 1_000),),
    figures=((words.REVERSED, 83_500),),
    reference="Карыз үчүн 5555-5555-5555-4444 рахмат",
)
DECLINED: Final = Operation(
    kind="atm_withdrawal",
    operation_id=str(UUID(int=0x0190A1B2C3D47ABC8DEF0123456789AC)),
    time=EVENING,
    debited="**** 2099",
    credited="**** 0001",
    amount=900_000_00,
    currency="USD",
    state=words.DECLINED,
    merchant="ATM 12 Ala-Too, Chuy 114, Bishkek, Kyrgyzstan",
    reason="INSUFFICIENT_FUNDS",
)

RECEIPTS: Final[dict[str, Callable[[Paper], list[str]]]] = {
    "mini_statement": lambda on: receipts.mini_statement(on, DAY),
    "empty_mini_statement": lambda on: receipts.mini_statement(on, overview()),
    "authorizations": lambda on: receipts.authorizations(on, HOLDS),
    "transactions": lambda on: receipts.transactions(on, DAY),
    "transfer": lambda on: receipts.operation(on, TRANSFER),
    "declined": lambda on: receipts.operation(on, DECLINED),
}
