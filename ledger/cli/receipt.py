"""``esep receipt``: what an ATM or a branch prints of an account or an operation, forty columns wide."""

import sys
from enum import StrEnum
from typing import Annotated, Final

import typer

from domain import ids
from ledger.cli.connection import DEADLINE_SECONDS, Connection
from ledger.cli.options import AsJson, Server, TlsCa, TlsCert, TlsKey, Token
from ledger.cli.output import plain, print_document
from ledger.cli.problems import reporting
from protos.esep.v1 import receipt_service_pb2 as api
from protos.esep.v1 import service_directory_pb2 as languages

Answer = (
    api.GetMiniStatementReceiptResponse
    | api.GetAuthorizationsReceiptResponse
    | api.GetTransactionsReceiptResponse
    | api.GetOperationReceiptResponse
)


class InLanguage(StrEnum):
    """The languages of receipts."""

    KY = "ky"
    RU = "ru"
    EN = "en"


class Of(StrEnum):
    """The three queries of an ATM."""

    MINI_STATEMENT = "mini-statement"
    AUTHORIZATIONS = "authorizations"
    TRANSACTIONS = "transactions"


_LANGUAGES: Final = {
    InLanguage.KY: languages.LANGUAGE_KY,
    InLanguage.RU: languages.LANGUAGE_RU,
    InLanguage.EN: languages.LANGUAGE_EN,
}

Subject = Annotated[
    str,
    typer.Argument(metavar="ACCOUNT|OPERATION", help="An account's id, bank/number, or the UUID of an operation."),
]
Language = Annotated[InLanguage, typer.Option("--language", help="The language of the receipt.")]
What = Annotated[Of, typer.Option("--of", help="What to print of an account.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100, help="Movements or authorisations at most.")]


def receipt(
    subject: Subject,
    language: Language = InLanguage.KY,
    of: What = Of.MINI_STATEMENT,
    limit: Limit = 10,
    server: Server = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token: Token = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """Print the receipt of an account or of one operation, as an ATM would."""
    with reporting(as_json=as_json), Connection(server, tls_ca, tls_cert, tls_key, token) as connection:
        answer = _ask(connection, subject, _LANGUAGES[language], of, limit)
        if as_json:
            print_document(plain(answer))
        else:
            sys.stdout.write("".join(f"{line}\n" for line in answer.lines))


def _ask(connection: Connection, subject: str, language: languages.Language.ValueType, of: Of, limit: int) -> Answer:
    stub = connection.receipts
    if _is_operation(subject):
        request = api.GetOperationReceiptRequest(operation_id=subject, language=language)
        return stub.GetOperationReceipt(request, timeout=DEADLINE_SECONDS)
    account = connection.account_id(subject)
    match of:
        case Of.MINI_STATEMENT:
            return stub.GetMiniStatementReceipt(
                api.GetMiniStatementReceiptRequest(account_id=account, language=language, limit=limit),
                timeout=DEADLINE_SECONDS,
            )
        case Of.AUTHORIZATIONS:
            return stub.GetAuthorizationsReceipt(
                api.GetAuthorizationsReceiptRequest(account_id=account, language=language, limit=limit),
                timeout=DEADLINE_SECONDS,
            )
        case Of.TRANSACTIONS:
            return stub.GetTransactionsReceipt(
                api.GetTransactionsReceiptRequest(account_id=account, language=language, limit=limit),
                timeout=DEADLINE_SECONDS,
            )


def _is_operation(subject: str) -> bool:
    try:
        ids.parse_uuid(subject)
    except ValueError:
        return False
    return True
