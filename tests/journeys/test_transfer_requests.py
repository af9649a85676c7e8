"""Transfers asked for late, many times at once, again, in vain or by nobody; and what stays of the numbers."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from protos.esep.v1 import alias_service_pb2 as aliases
from protos.esep.v1 import qr_service_pb2 as qrs
from protos.esep.v1 import quote_service_pb2 as quotes
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.customer_service_pb2 import EraseCustomerRequest
from tests.journeys.paying import MINUTE, NUMBER, SOM, adil, bakyt, payers, world
from tests.people import Person
from tests.rpc.payers import Payers, confirmation, linking, quoting
from tests.rpc.world import Refusal, World, new_id

__all__ = ["adil", "bakyt", "payers", "world"]


def test_a_late_quote_moves_nothing(payers: Payers, adil: Person, bakyt: Person) -> None:
    """After five minutes a new one is asked for."""
    quote = payers.quote(adil, card_number=bakyt.card_number)
    payers.world.clock.ahead += 5 * MINUTE
    assert payers.refused(payers.ledger.quotes.ConfirmQuote, confirmation(quote)).reason == "QUOTE_EXPIRED"
    assert payers.balance(bakyt.account_id) == 0


def test_a_quote_confirmed_many_times_at_once_moves_money_once(payers: Payers, adil: Person, bakyt: Person) -> None:
    """Eight requests with eight ids: one transfer, and seven told which it is."""
    quote = payers.quote(adil, 100 * SOM, card_number=bakyt.card_number)
    made: list[str] = []
    declined: list[Refusal] = []

    def confirm(_: int) -> None:
        try:
            made.append(payers.confirm(quote).transfer_id)
        except Exception as error:  # noqa: BLE001 - grpc's own
            declined.append(Refusal(error))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(confirm, range(8)))
    assert len(made) == 1
    assert [(each.reason, each.metadata["transfer_id"]) for each in declined] == [("QUOTE_USED", made[0])] * 7
    assert payers.balance(bakyt.account_id) == 100 * SOM


def test_a_number_linked_by_two_at_once_leads_to_one(payers: Payers, adil: Person, bakyt: Person) -> None:
    """Whoever is decided last has it; the other one's link is in its history."""
    requests = [linking(payer, NUMBER, code=payers.code(payer, NUMBER)) for payer in (adil, bakyt)]
    with ThreadPoolExecutor(2) as threads:
        answers = threads.map(lambda request: payers.call(payers.ledger.aliases.LinkPhone, request), requests)
        linked = [answer.alias for answer in answers]
    assert len({alias.alias_id for alias in linked}) == 1
    last = max(linked, key=lambda alias: alias.version)
    sender = payers.payer("bank-a", "Самат Ибраимов")
    name = payers.quote(sender, phone_number=NUMBER).recipient.masked_name
    assert name == ("Адил О." if last.customer_id == adil.customer_id else "Бакыт А.")


def test_repeats_are_answered_with_the_first_outcome(payers: Payers, adil: Person, bakyt: Person) -> None:
    """Of linking, issuing, quoting and confirming alike; with other content the id is refused."""
    link = linking(bakyt)
    issue = qrs.IssueTransferQrRequest(request_id=new_id(), customer_id=bakyt.customer_id, card_id=bakyt.card_id)
    first = payers.call(payers.ledger.aliases.LinkPhone, link)
    issued = payers.call(payers.ledger.qr.IssueTransferQr, issue)
    quote = quoting(adil, 100 * SOM, phone_number=bakyt.phone_number)
    quoted = payers.call(payers.ledger.quotes.CreateQuote, quote)
    confirm = confirmation(quoted.quote)
    confirmed = payers.call(payers.ledger.quotes.ConfirmQuote, confirm)
    for method, request, answer, field in (
        (payers.ledger.aliases.LinkPhone, link, first, "alias"),
        (payers.ledger.qr.IssueTransferQr, issue, issued, "transfer_qr"),
        (payers.ledger.quotes.CreateQuote, quote, quoted, "quote"),
        (payers.ledger.quotes.ConfirmQuote, confirm, confirmed, "transfer"),
    ):
        again = payers.call(method, request)
        assert (again.receipt.replayed, getattr(again, field)) == (True, getattr(answer, field))
        outcome = payers.call(
            payers.ledger.transfers.GetOutcome, transfers.GetOutcomeRequest(request_id=request.request_id)
        )
        assert getattr(outcome, field) == getattr(answer, field)
    link.phone_number = NUMBER
    issue.dynamic, issue.amount_tyiyn = True, 1
    quote.amount_tyiyn += 1
    confirm.quote_id = new_id()
    for method, request in (
        (payers.ledger.aliases.LinkPhone, link),
        (payers.ledger.qr.IssueTransferQr, issue),
        (payers.ledger.quotes.CreateQuote, quote),
        (payers.ledger.quotes.ConfirmQuote, confirm),
    ):
        assert payers.refused(method, request).reason == "REQUEST_ID_REUSED"
    assert payers.balance(bakyt.account_id) == 100 * SOM


def test_a_plain_transfer_does_not_pass_for_a_confirmed_quote(payers: Payers, adil: Person, bakyt: Person) -> None:
    """It may not be called one, and the same movement under the same id is another request."""
    cholpon = payers.payer("bank-b", "Чолпон Бекова", funds=0)
    payers.bank.move(payers.bank.cash, bakyt.account_id, 100 * SOM)
    payers.link(cholpon)
    transfer = payers.confirm(payers.quote(bakyt, 100 * SOM, phone_number=cholpon.phone_number))
    assert not transfer.legs
    request = transfers.CreateTransferRequest(request_id=transfer.transfer_id)
    request.transfer.debit_account_id = transfer.debit_account_id
    request.transfer.credit_account_id = transfer.credit_account_id
    request.transfer.amount_tyiyn = transfer.amount_tyiyn
    request.transfer.currency_code = transfer.currency_code
    assert payers.refused(payers.ledger.transfers.CreateTransfer, request).reason == "REQUEST_ID_REUSED"
    request.transfer.kind = transfer.kind
    assert list(payers.refused(payers.ledger.transfers.CreateTransfer, request).fields) == ["transfer.kind"]


def test_nobody_reads_what_is_another_customers(payers: Payers, adil: Person, bakyt: Person) -> None:
    """A quote, an alias and a code are their customer's alone; to others they do not exist."""
    alias, issued = payers.link(bakyt), payers.qr(bakyt)
    quote = payers.quote(adil, phone_number=bakyt.phone_number)
    for method, request, reason in (
        (
            payers.ledger.quotes.GetQuote,
            quotes.GetQuoteRequest(quote_id=quote.quote_id, customer_id=bakyt.customer_id),
            "QUOTE_NOT_FOUND",
        ),
        (
            payers.ledger.aliases.GetAlias,
            aliases.GetAliasRequest(alias_id=alias.alias_id, customer_id=adil.customer_id),
            "ALIAS_NOT_FOUND",
        ),
        (
            payers.ledger.qr.GetTransferQr,
            qrs.GetTransferQrRequest(transfer_qr_id=issued.transfer_qr_id, customer_id=adil.customer_id),
            "TRANSFER_QR_NOT_FOUND",
        ),
    ):
        assert payers.refused(method, request).reason == reason


def test_a_trial_run_quotes_and_moves_nothing(payers: Payers, adil: Person, bakyt: Person) -> None:
    """validate_only decides all the same: funds that are missing are told."""
    quote = payers.quote(adil, 100 * SOM, card_number=bakyt.card_number)
    request = confirmation(quote)
    request.validate_only = True
    answer = payers.call(payers.ledger.quotes.ConfirmQuote, request)
    assert (answer.transfer.amount_tyiyn, answer.HasField("receipt")) == (100 * SOM, False)
    assert payers.balance(bakyt.account_id) == 0
    payers.bank.move(adil.account_id, payers.bank.cash, 10_000 * SOM)
    refusal = payers.refused(payers.ledger.quotes.ConfirmQuote, request)
    assert (refusal.reason, "position" in refusal.metadata) == ("INSUFFICIENT_FUNDS", False)


def test_an_erased_customers_number_and_name_are_gone(payers: Payers, adil: Person, bakyt: Person) -> None:
    """The alias keeps its history; nobody is found by the number, and the name reads as erased."""
    alias = payers.link(bakyt)
    quote = payers.quote(adil, phone_number=bakyt.phone_number)
    payers.call(
        payers.ledger.customers.EraseCustomer,
        EraseCustomerRequest(request_id=new_id(), customer_id=bakyt.customer_id),
    )
    request = aliases.GetAliasRequest(alias_id=alias.alias_id, customer_id=bakyt.customer_id)
    assert payers.call(payers.ledger.aliases.GetAlias, request).alias.phone_number == "[erased]"
    assert payers.refused(payers.ledger.quotes.ConfirmQuote, confirmation(quote)).reason == "QUOTE_STALE"
    again = quoting(adil, phone_number=bakyt.phone_number)
    assert payers.refused(payers.ledger.quotes.CreateQuote, again).reason == "ALIAS_NOT_FOUND"
    read_again = quotes.GetQuoteRequest(quote_id=quote.quote_id, customer_id=adil.customer_id)
    found = payers.call(payers.ledger.quotes.GetQuote, read_again).quote
    assert found.recipient.masked_name == "[erased]"


def test_no_number_stands_in_any_file(payers: Payers, adil: Person, bakyt: Person, world: World) -> None:
    """Card and phone numbers, codes and names are in no database but encrypted."""
    payers.link(bakyt)
    code = payers.code(bakyt, NUMBER)
    wrong = linking(bakyt, NUMBER, code=f"{(int(code) + 1) % 10**6:06}")
    assert payers.refused(payers.ledger.aliases.LinkPhone, wrong).reason == "ALIAS_CODE_WRONG"
    payers.confirm(payers.quote(adil, phone_number=bakyt.phone_number))
    payers.confirm(payers.quote(adil, card_number=bakyt.card_number))
    codes: Any = world.vault.codes
    directory = codes._path.parent
    written = b"\n".join(path.read_bytes() for path in directory.iterdir() if path.is_file() and path != codes._path)
    secrets = (bakyt.phone_number, bakyt.phone_number[1:], bakyt.card_number, NUMBER, "Бакыт Асанова", "Бакыт А.")
    assert {secret for secret in secrets if secret.encode() in written} == set()
