"""Somebody with everything a customer can have, and every question there is about them: what is asked after an erasure.

All that was ever sent is remembered, so that it can be sent again: a repeated request is answered with its first
outcome, which is one more place in which the past could still be read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.rpc.callers import Role
from ledger.rpc.client import Ledger, method_names
from ledger.rpc.identity import CALLER_KEY, PARTICIPANT_KEY, ROLE_KEY
from protos.esep.v1 import alias_service_pb2 as aliases
from protos.esep.v1 import audit_service_pb2 as audit
from protos.esep.v1 import authorization_pb2, credit_pb2, customer_pb2
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import bulk_service_pb2 as bulks
from protos.esep.v1 import card_binding_service_pb2 as bindings
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import credit_service_pb2 as credits_
from protos.esep.v1 import customer_service_pb2 as customers
from protos.esep.v1 import notification_service_pb2 as notifications
from protos.esep.v1 import payment_service_pb2 as payments
from protos.esep.v1 import qr_service_pb2 as qrs
from protos.esep.v1 import quote_service_pb2 as quotes
from protos.esep.v1 import receipt_service_pb2 as receipts
from protos.esep.v1 import rules_service_pb2 as rules
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1 import token_service_pb2 as tokens
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN, LANGUAGE_KY, LANGUAGE_RU
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from scripts.demo_client import CHANNEL_OPTIONS, new_id
from scripts.demo_server import ServerProcess
from scripts.device import Phone, Terminal
from tests import people
from tests.holder import CALL_SECONDS, Holder
from tests.journeys.search import content
from tests.paying import MOBILE, PASSPORT, WATER, Scheme, elqr
from tests.people import PASSWORD, Person
from tests.rpc.every_write import written_under_an_id
from tests.rpc.world import Refusal
from tests.security.requests import REQUESTS
from tests.security.scenes import Scene, answer_of, is_stream

NAME: Final = "Жыпаргүл Токтобекова"
MASKED: Final = "Жыпаргүл Т."
CARD_NAME: Final = "Жыпаргүлдүн айлыгы"
SECOND_PHONE: Final = "+996555908172"
TOPPED_UP: Final = "+996555271828"
WATER_ACCOUNT: Final = "918273645546"
PASSPORT_CODE: Final = "1357924680135792"
DEVICE: Final = "installation-60a5c1e2"
PIN: Final = "8305"
AMOUNT: Final = 1_000
LANGUAGES: Final = (LANGUAGE_KY, LANGUAGE_RU, LANGUAGE_EN)
UNWRITTEN: Final = {
    "/esep.v1.TransferService/CreateTransfers",
    "/esep.v1.CreditService/PostCreditLines",
    "/esep.v1.AliasService/SendAliasCode",
    "/esep.v1.AuditService/CosignCheckpoint",
}
"""Methods that change something under no request id of their own."""
READS: Final = {method for method in method_names() if method not in written_under_an_id() | UNWRITTEN}
ASKING: Final = {
    "developer": (),
    "operator": ((ROLE_KEY, Role.OPERATOR.value), (CALLER_KEY, "op-1")),
    "auditor": ((ROLE_KEY, Role.AUDITOR.value), (CALLER_KEY, "audit-1")),
    "bank": ((ROLE_KEY, Role.BANK.value), (PARTICIPANT_KEY, "bank-a"), (CALLER_KEY, "bank-a")),
}
"""Who asks: everybody who may know something of a person whom no application acts for any more."""
_PATIENCE: Final = 30.0


class Recorder(grpc.UnaryUnaryClientInterceptor):
    """Remembers everything that is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Message]] = []

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        method = details.method.decode() if isinstance(details.method, bytes) else details.method
        kept = type(request)()
        kept.CopyFrom(request)
        self.sent.append((method, kept))
        return continuation(details, request)


class Question(NamedTuple):
    """What is asked, and by whom."""

    who: str
    method: str
    request: Message


class Told(NamedTuple):
    """What came back, as text and bytes; ``reason`` is empty for an answer."""

    content: bytes
    reason: str = ""


class Somebody:
    """A customer with everything, and the ledger that knows them."""

    def __init__(self, server: ServerProcess) -> None:
        self.recorder = Recorder()
        self._plain = grpc.insecure_channel(server.address, CHANNEL_OPTIONS)
        self.ledger = Ledger(grpc.intercept_channel(self._plain, self.recorder), caller="")
        self.codes = server.directory / "confirmation-codes"
        self.scheme = Scheme(self.ledger, self.codes)
        self.ana = Holder(self.ledger, self.codes)
        self.ana.name, self.ana.phone = NAME, Phone(DEVICE)
        self.ana.phone.here = Terminal(now=server.clock.now)
        self.alias_ids: list[str] = []
        self.qr_ids: list[str] = []
        self.quoted: list[tuple[str, str]] = []
        """Quotes, each with its payer."""
        self.payments: list[str] = []
        self.operations: list[str] = []
        self.holds: list[str] = []
        self.credit_file = new_id()
        self.bulk = new_id()
        self._questions: list[Question] = []
        self.become_known()
        self.bek = self.scheme.payer()
        self.be_paid()
        self.pay()
        self.tap()
        self.last_position = LogPosition(
            position=self.call("accounts", "GetAccount", self._account()).position.position
        )

    def close(self) -> None:
        """Hang up."""
        self._plain.close()

    @property
    def personal(self) -> set[str]:
        """Everything that tells who somebody is, or was told by them alone."""
        known = {NAME, *NAME.split(), MASKED, CARD_NAME, SECOND_PHONE, TOPPED_UP, WATER_ACCOUNT, PASSPORT_CODE}
        known |= {quote(MASKED)}  # As it stands in a link.
        return known | {self.ana.login, self.ana.phone_number, self.ana.phone_number.lstrip("+")}

    @property
    def secret(self) -> set[str]:
        """What nobody may ever read."""
        return {PASSWORD, self.ana.card_number, *self.ana.secrets}

    def call(self, service: str, name: str, request: Message) -> Any:
        """Call a method as the developer."""
        return getattr(getattr(self.ledger, service), name)(request, timeout=CALL_SECONDS)

    def _account(self) -> Message:
        return REQUESTS["/esep.v1.AccountService/GetAccount"](self.scene)

    # A life.

    def become_known(self) -> None:
        """Register, be identified, bind a card under a name of one's own, and be told by SMS."""
        ana = self.ana
        ana.fund()
        ana.issue()
        ana.register()
        ana.identify()
        pin = customers.SetPinRequest(request_id=new_id(), customer_id=ana.customer_id, password=PASSWORD, pin=PIN)
        self.call("customers", "SetPin", pin)
        people.ask_to_bind(ana.call, self.ledger, ana, CARD_NAME)
        people.name_amount(ana.call, self.ledger, ana, people.disclosed(ana.call, self.ledger, ana))
        sms = cards.SetCardNotificationsRequest(request_id=new_id(), card_id=ana.card_id, sms=True)
        self.call("cards", "SetCardNotifications", sms)
        placing = customers.PlaceRetentionRequest(
            request_id=new_id(), customer_id=ana.customer_id, reason=customer_pb2.RETENTION_REASON_DISPUTE
        )
        self.call("customers", "PlaceRetention", placing)
        self.call(
            "customers",
            "LiftRetention",
            customers.LiftRetentionRequest(
                request_id=new_id(), customer_id=ana.customer_id, retention_id=placing.request_id
            ),
        )

    def be_paid(self) -> None:
        """Be found by two phone numbers, two codes and a card number, and be paid by each; get a salary."""
        ana = self.ana
        self.link(ana.phone_number)
        code = aliases.SendAliasCodeRequest(customer_id=ana.customer_id, phone_number=SECOND_PHONE)
        self.call("aliases", "SendAliasCode", code)
        self.link(SECOND_PHONE, people.sent_code(self.codes, ana.customer_id))
        texts = []
        for asked in ({}, {"dynamic": True, "amount_tyiyn": AMOUNT}):
            fields: dict[str, Any] = {"customer_id": ana.customer_id, "card_id": ana.card_id, **asked}
            issuing = qrs.IssueTransferQrRequest(request_id=new_id(), **fields)
            issued = self.call("qr", "IssueTransferQr", issuing).transfer_qr
            self.qr_ids.append(issued.transfer_qr_id)
            texts.append(issued.link)
        for way in (
            {"phone_number": ana.phone_number},
            {"phone_number": SECOND_PHONE},
            {"card_number": ana.card_number},
            *({"qr_text": text} for text in texts),
        ):
            self.transfer(self.bek, **way)
        self.transfer(ana, card_number=self.bek.card_number)
        opening = credits_.OpenCreditFileRequest(
            request_id=self.credit_file,
            category=credit_pb2.CREDIT_CATEGORY_SALARY,
            participant_id="bank-a",
            account_id=self.bek.account_id,
            line_count=1,
            sum_tyiyn=700,
            payer_name="Ала-Тоо Текстиль",
        )
        self.call("credits", "OpenCreditFile", opening)
        line = credit_pb2.NewCreditLine(
            line_number=1, target=credit_pb2.CreditTarget(card_id=ana.card_id), amount_tyiyn=700
        )
        self.call(
            "credits", "PostCreditLines", credits_.PostCreditLinesRequest(credit_file_id=self.credit_file, lines=[line])
        )
        bulk = bulks.PostBulkRequest(
            request_id=self.bulk,
            debit_account_ids=[self.bek.account_id],
            credit_account_ids=[ana.account_id],
            amounts_tyiyn=[5],
        )
        self.call("bulks", "PostBulk", bulk)

    def link(self, phone: str, code: str = "") -> None:
        """Let a phone number lead to the card."""
        ana = self.ana
        linking = aliases.LinkPhoneRequest(
            request_id=new_id(), customer_id=ana.customer_id, card_id=ana.card_id, phone_number=phone, code=code
        )
        self.alias_ids.append(self.call("aliases", "LinkPhone", linking).alias.alias_id)

    def transfer(self, payer: Person, **recipient: Any) -> None:
        """Have a transfer quoted and confirm it."""
        asking = quotes.CreateQuoteRequest(
            request_id=new_id(), customer_id=payer.customer_id, card_id=payer.card_id, amount_tyiyn=AMOUNT, **recipient
        )
        quoted = self.call("quotes", "CreateQuote", asking).quote
        self.quoted.append((quoted.quote_id, payer.customer_id))
        confirming = quotes.ConfirmQuoteRequest(
            request_id=new_id(), quote_id=quoted.quote_id, customer_id=payer.customer_id
        )
        self.operations.append(self.call("quotes", "ConfirmQuote", confirming).transfer.transfer_id)

    def pay(self) -> None:
        """Pay for services with what only the payer knows, pay by a code, and leave one payment unconfirmed."""
        ana = self.ana
        for service, fields, amount in (
            (WATER, {"account": WATER_ACCOUNT}, 2_000),
            (MOBILE, {"phone": TOPPED_UP}, 3_000),
            (PASSPORT, {"document": PASSPORT_CODE}, None),
        ):
            prepared = self.scheme.prepare(self.scheme.service(ana, service, fields=fields, amount_tyiyn=amount))
            self.payments.append(prepared.payment_id)
        by_code = self.scheme.prepare(self.scheme.qr(ana, elqr(), 400))
        self.payments.append(by_code.payment_id)
        for payment_id in self.payments[:-2] + self.payments[-1:]:
            confirming = payments.ConfirmPaymentRequest(
                request_id=new_id(), payment_id=payment_id, customer_id=ana.customer_id
            )
            self.call("payments", "ConfirmPayment", confirming)

    def tap(self) -> None:
        """Pay by phone and at a terminal; have the phone blocked and unblocked."""
        ana = self.ana
        ana.tokenise()
        ana.provision()
        ana.activate()
        self.holds.append(ana.pay(900).authorization.authorization_id)
        at_terminal = authorizations.CreateAuthorizationRequest(
            request_id=new_id(),
            card_id=ana.card_id,
            credit_account_id=ana.merchant,
            amount_tyiyn=800,
            kind=authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
            merchant_name="Дүкөн",
        )
        held = self.call("authorizations", "CreateAuthorization", at_terminal).authorization
        self.holds.append(held.authorization_id)
        device: dict[str, Any] = {"customer_id": ana.customer_id, "device_id": ana.phone.device_id}
        self.call("tokens", "BlockDevice", tokens.BlockDeviceRequest(request_id=new_id(), **device))
        self.call("tokens", "UnblockDevice", tokens.UnblockDeviceRequest(request_id=new_id(), **device))

    # Erasing.

    def erase(self) -> customer_pb2.Customer:
        """Erase the customer."""
        erasing = customers.EraseCustomerRequest(request_id=new_id(), customer_id=self.ana.customer_id)
        answer: customers.EraseCustomerResponse = self.call("customers", "EraseCustomer", erasing)
        self.last_position = LogPosition(position=answer.receipt.position)
        return answer.customer

    # Questions.

    @property
    def scene(self) -> Scene:
        """What the tables of requests for every method need to know."""
        ana = self.ana
        first_hold = self.holds[0] if self.holds else new_id()
        return Scene(
            participant="bank-a",
            account=ana.account_id,
            merchant=ana.merchant,
            transfer=self.operations[0],
            authorization=first_hold,
            captured=first_hold,
            reference=new_id(),
            customer=ana.customer_id,
            card=ana.card_id,
            spare_card=ana.card_id,
            token=ana.token_id,
            credit_file=self.credit_file,
            payee=self.scheme.payees[WATER].payee_id,
            payment=self.payments[0],
            bulk=self.bulk,
        )

    def questions(self) -> Iterator[tuple[str, Message]]:
        """Yield every question about the customer, and one at least of every method that reads."""
        for method in sorted(READS):
            yield method, REQUESTS[method](self.scene)
        service, ana = "/esep.v1.", self.ana
        of: dict[str, Any] = {"customer_id": ana.customer_id}
        namings: tuple[dict[str, Any], ...] = (of, {"login": ana.login}, {"phone_number": ana.phone_number})
        for naming in namings:
            yield f"{service}CustomerService/GetCustomer", customers.GetCustomerRequest(**naming)
        for alias_id in self.alias_ids:
            yield f"{service}AliasService/GetAlias", aliases.GetAliasRequest(alias_id=alias_id, **of)
        for qr_id in self.qr_ids:
            yield f"{service}QrService/GetTransferQr", qrs.GetTransferQrRequest(transfer_qr_id=qr_id, **of)
        for quote_id, payer in self.quoted:
            yield f"{service}QuoteService/GetQuote", quotes.GetQuoteRequest(quote_id=quote_id, customer_id=payer)
        binding = bindings.GetCardBindingRequest(binding_id=ana.binding_id, **of)
        yield f"{service}CardBindingService/GetCardBinding", binding
        yield f"{service}CardService/ListCards", cards.ListCardsRequest(min_position=self.last_position, **of)
        for payment_id in self.payments:
            yield f"{service}PaymentService/GetPayment", payments.GetPaymentRequest(payment_id=payment_id)
        listed = f"{service}PaymentService/ListPayments"
        yield listed, payments.ListPaymentsRequest(min_position=self.last_position, **of)
        yield listed, payments.ListPaymentsRequest(payee_id=self.scheme.payees[WATER].payee_id)
        yield f"{service}TokenService/ListTokens", tokens.ListTokensRequest(**of)
        yield f"{service}TokenService/ListTokens", tokens.ListTokensRequest(card_id=ana.card_id)
        yield f"{service}RulesService/GetUsage", rules.GetUsageRequest(**of)
        yield from self._statements(service)
        yield from self._history(service)

    def _statements(self, service: str) -> Iterator[tuple[str, Message]]:
        account = self.ana.account_id
        end = Timestamp()
        end.GetCurrentTime()
        end.seconds += 86_400
        statement = statements.GetStatementRequest(
            account_id=account, period_start=Timestamp(seconds=1), period_end=end, page_size=1_000
        )
        yield f"{service}StatementService/GetStatement", statement
        held = statements.ListAuthorizationsRequest(card_id=self.ana.card_id, min_position=self.last_position)
        yield f"{service}StatementService/ListAuthorizations", held
        for language in LANGUAGES:
            for operation in (*self.operations, *self.holds):
                receipt = receipts.GetOperationReceiptRequest(operation_id=operation, language=language)
                yield f"{service}ReceiptService/GetOperationReceipt", receipt
            for whose in ({"customer_id": self.ana.customer_id}, {"participant_id": "bank-a"}):
                notices: dict[str, Any] = {"language": language, **whose}
                listing = notifications.ListNotificationsRequest(
                    page_size=1_000, min_position=self.last_position, **notices
                )
                yield f"{service}NotificationService/ListNotifications", listing
                yield f"{service}NotificationService/Subscribe", notifications.SubscribeRequest(**notices)

    def _history(self, service: str) -> Iterator[tuple[str, Message]]:
        ana = self.ana
        yield f"{service}AuditService/ReadEvents", audit.ReadEventsRequest(page_size=1_000)
        yield f"{service}AuditService/ListAccess", audit.ListAccessRequest(page_size=1_000)
        lives = (ana.customer_id, ana.card_id, ana.binding_id, ana.token_id, *self.alias_ids, *self.qr_ids)
        for aggregate in (*lives, *self.payments, *self.operations, *(each for each, _ in self.quoted)):
            asking = audit.GetAggregateHistoryRequest(aggregate_id=aggregate)
            yield f"{service}AuditService/GetAggregateHistory", asking
        for request_id in self.request_ids():
            yield f"{service}TransferService/GetOutcome", GetOutcomeRequest(request_id=request_id)
            yield f"{service}AuditService/ReplayDecision", audit.ReplayDecisionRequest(request_id=request_id)

    def request_ids(self) -> list[str]:
        """Return the ids of all requests that were ever sent, in order."""
        found = (getattr(request, "request_id", "") for _, request in self.recorder.sent)
        return list(dict.fromkeys(each for each in found if each))

    def asked(self) -> dict[int, tuple[Question, Told]]:
        """Ask everything in everybody's name, the same each time; return what was told by the question's place."""
        if not self._questions:
            known = list(self.questions())
            self._questions = [Question(who, method, request) for who in ASKING for method, request in known]
        return {place: (question, self.ask(question)) for place, question in enumerate(self._questions)}

    def repeated(self) -> dict[int, tuple[Question, Told]]:
        """Send every request again, and ask for its outcome; return what was told, by its place."""
        sent = [(method, request) for method, request in self.recorder.sent if method not in READS]
        again = [Question("developer", method, request) for method, request in sent]
        outcomes = "/esep.v1.TransferService/GetOutcome"
        again += [Question("developer", outcomes, GetOutcomeRequest(request_id=each)) for each in self.request_ids()]
        return {place: (question, self.ask(question)) for place, question in enumerate(again)}

    def ask(self, question: Question) -> Told:
        """Ask once; of a stream, take what there is up to now."""
        metadata = ASKING[question.who]
        try:
            if is_stream(question.method):
                return Told(b"".join(self._stream(question, metadata)))
            call = self._plain.unary_unary(
                question.method,
                request_serializer=type(question.request).SerializeToString,
                response_deserializer=answer_of(question.method).FromString,
            )
            answer: Any = call(question.request, metadata=metadata, timeout=CALL_SECONDS)
            return Told(answer.SerializeToString())
        except grpc.RpcError as error:
            refusal = Refusal(error)
            return Told(f"{refusal.text} {refusal.details}".encode(), refusal.reason or str(refusal.code))

    def _stream(self, question: Question, metadata: Any) -> Iterator[bytes]:
        stream: Any = self._plain.unary_stream(
            question.method,
            request_serializer=type(question.request).SerializeToString,
            response_deserializer=answer_of(question.method).FromString,
        )(question.request, metadata=metadata, timeout=CALL_SECONDS)
        for message in stream:
            yield message.SerializeToString()
            if message.WhichOneof("message") == "caught_up":
                break
        stream.cancel()


def files_of(directory: Path) -> dict[str, bytes]:
    """Return every file under a directory."""
    return {str(path.relative_to(directory)): content(path) for path in sorted(directory.rglob("*")) if path.is_file()}


def holding(files: dict[str, bytes], texts: set[str] | set[bytes]) -> set[tuple[str, str]]:
    """Return which files hold which of some texts."""
    wanted = [(str(text), text.encode() if isinstance(text, str) else text) for text in texts]
    return {(name, shown) for name, content in files.items() for shown, text in wanted if text in content}
