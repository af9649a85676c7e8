"""Becoming a customer, from the application: registration, confirmation, PIN, identification (rows S01 to S04, S31)."""

import json
import re
import stat
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import grpc
import psycopg
import pytest
from psycopg import sql

from domain.credentials import CODE_DIGITS
from ledger.rpc.client import Ledger
from protos.esep.v1 import customer_pb2
from protos.esep.v1 import customer_service_pb2 as api
from protos.esep.v1.customer_pb2 import Customer
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ServerProcess
from tests.rpc.world import refused
from tests.serving import CALL_SECONDS, server_on

PASSWORD = "Jashyl2026"
OTHER_PASSWORD = "Kyzyl20266"
PIN = "8305"
WRONG_PIN = "8306"
MINUTE = 60


class App:
    """The application's side of one server, and everything secret that was told to it."""

    def __init__(self, directory: Path, server: ServerProcess, ledger: Ledger) -> None:
        self.directory = directory
        self.server = server
        self.ledger = ledger
        self.secrets: set[str] = {PASSWORD, OTHER_PASSWORD}
        self._registered = 0

    def request(self, **fields: str) -> api.RegisterCustomerRequest:
        """Return a registration like no other, with some of its fields changed."""
        number = uuid4().int % 10**8
        given = {
            "request_id": new_id(),
            "participant_id": "bank-a",
            "login": f"aizada.{number}",
            "password": PASSWORD,
            "phone_number": f"+9967{number:08}",
            "full_name": f"Айзада Үсөнова {number}",
            **fields,
        }
        self.secrets |= {given["phone_number"], given["login"], given["full_name"]}
        return api.RegisterCustomerRequest(**given)

    def register(self, request: api.RegisterCustomerRequest) -> api.RegisterCustomerResponse:
        return self.ledger.customers.RegisterCustomer(request, timeout=CALL_SECONDS)

    def code(self, customer_id: str) -> str:
        """Return the last code that was sent to a customer."""
        lines = (self.directory / "confirmation-codes").read_text("ascii").splitlines()
        sent = [code for whose, code in map(str.split, lines) if whose == customer_id]
        self.secrets |= {f"{sent[-1]}"}
        return sent[-1]

    def sent(self, customer_id: str) -> int:
        """Return how many codes were sent to a customer."""
        return (self.directory / "confirmation-codes").read_text("ascii").count(customer_id)

    def confirm(self, customer_id: str, code: str, request_id: str = "") -> api.ConfirmRegistrationResponse:
        request = api.ConfirmRegistrationRequest(request_id=request_id or new_id(), customer_id=customer_id, code=code)
        return self.ledger.customers.ConfirmRegistration(request, timeout=CALL_SECONDS)

    def confirmed(self) -> Customer:
        """Return a customer who has just been confirmed."""
        registered = self.register(self.request()).customer
        return self.confirm(registered.customer_id, self.code(registered.customer_id)).customer

    def set_pin(self, customer_id: str, pin: str = PIN, password: str = PASSWORD, request_id: str = "") -> Customer:
        request = api.SetPinRequest(
            request_id=request_id or new_id(), customer_id=customer_id, password=password, pin=pin
        )
        return self.ledger.customers.SetPin(request, timeout=CALL_SECONDS).customer

    def verify(self, customer_id: str, pin: str) -> tuple[int, int]:
        answer = self.ledger.customers.VerifyPin(
            api.VerifyPinRequest(customer_id=customer_id, pin=pin), timeout=CALL_SECONDS
        )
        return answer.result, answer.tries_left

    def identify(self, customer_id: str, tier: customer_pb2.CustomerTier.ValueType) -> Customer:
        request = api.IdentifyCustomerRequest(request_id=new_id(), customer_id=customer_id, tier=tier)
        return self.ledger.customers.IdentifyCustomer(request, timeout=CALL_SECONDS).customer

    def get(self, customer_id: str) -> Customer:
        request = api.GetCustomerRequest(customer_id=customer_id)
        return self.ledger.customers.GetCustomer(request, timeout=CALL_SECONDS).customer

    def erase(self, customer_id: str, request_id: str = "") -> api.EraseCustomerResponse:
        request = api.EraseCustomerRequest(request_id=request_id or new_id(), customer_id=customer_id)
        return self.ledger.customers.EraseCustomer(request, timeout=CALL_SECONDS)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Give an application at a fresh server; at the end nothing secret stands in what the server wrote."""
    directory = tmp_path_factory.mktemp("customers")
    with ServerProcess(directory, {"ESEP_LOG_FORMAT": "json"}) as server:
        server._said = deque()  # All of it is searched at the end.
        server.start()
        with connect_plainly(server.address) as ledger:
            yield App(directory, server, ledger)
        server.stop()


def wrong(code: str) -> str:
    """Return a code that is not this one."""
    return f"{(int(code) + 1) % 10**6:06}"


def test_S01_a_customer_registers_with_login_and_password(app: App) -> None:
    """A registration is answered with the customer as given, unconfirmed, unidentified and without a PIN."""
    request = app.request(login="Aizada.Capital")
    answer = app.register(request)
    customer = answer.customer
    assert customer.customer_id == request.request_id
    assert (customer.login, customer.phone_number) == ("aizada.capital", request.phone_number)
    assert customer.full_name == request.full_name
    assert customer.state == customer_pb2.CUSTOMER_STATE_REGISTERED
    assert customer.tier == customer_pb2.CUSTOMER_TIER_UNSPECIFIED
    assert not customer.pin_set
    assert app.get(customer.customer_id) == customer


def test_S01_a_repeated_registration_is_answered_again(app: App) -> None:
    """The same request changes nothing and sends no second code; the password is not compared."""
    request = app.request()
    first = app.register(request)
    request.password = OTHER_PASSWORD
    again = app.register(request)
    assert again.receipt.replayed
    assert (again.customer, again.receipt.position) == (first.customer, first.receipt.position)
    assert app.sent(request.request_id) == 1


@pytest.mark.parametrize("field", ["login", "phone_number", "full_name", "participant_id"])
def test_S01_a_request_id_stands_for_one_registration(app: App, field: str) -> None:
    """The same id with another person's data is refused, though no event holds anything to compare it with."""
    request = app.request()
    app.register(request)
    setattr(request, field, {"participant_id": "bank-b"}.get(field, getattr(app.request(), field)))
    assert refused(lambda: app.register(request)).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(("field", "reason"), [("login", "LOGIN_TAKEN"), ("phone_number", "PHONE_TAKEN")])
def test_S01_login_and_phone_are_one_customers(app: App, field: str, reason: str) -> None:
    """A second registration with a login or a phone number is declined, for good."""
    customer = app.confirmed()
    request = app.request(**{field: getattr(customer, field)})
    first, again = refused(lambda: app.register(request)), refused(lambda: app.register(request))
    assert (first.reason, first.metadata["recorded"], first.metadata["replayed"]) == (reason, "true", "false")
    assert (again.reason, again.metadata["replayed"]) == (reason, "true")


def test_S01_a_customer_is_found_by_login_and_phone(app: App) -> None:
    """The same customer answers to the id, the login in any case, and the phone number."""
    customer = app.confirmed()
    for request in (
        api.GetCustomerRequest(login=customer.login.upper()),
        api.GetCustomerRequest(phone_number=customer.phone_number),
    ):
        assert app.ledger.customers.GetCustomer(request, timeout=CALL_SECONDS).customer == customer
    nobody = api.GetCustomerRequest(login="nobody.at.all")
    assert refused(lambda: app.ledger.customers.GetCustomer(nobody)).reason == "CUSTOMER_NOT_FOUND"


@pytest.mark.parametrize(
    "password",
    [
        "Jashyl26\n",
        "Jashyl2",
        "jashyljashyl",
        "20262026",
        "Jashyl2026!",
        "Jashyl 2026",
        "Жашыл2026",
        "Jashylж2026",
        "Jashyl٢٠٢٦",
        "Jashyl2026٢",
        "",
        "a1" * 65,
    ],
)
def test_S02_a_password_against_the_policy_is_refused(app: App, password: str) -> None:
    """Only 8 and more ASCII letters and digits, one of each at least, pass; the refusal repeats no password."""
    request = app.request(password=password)
    refusal = refused(lambda: app.register(request))
    assert refusal.fields == {"password": "PASSWORD_POLICY"}
    assert not password or password not in str(refusal.details)


@pytest.mark.parametrize("password", ["abcdefg1", "1ABCDEFG", "a1" * 64])
def test_S02_a_password_within_the_policy_passes(app: App, password: str) -> None:
    """The shortest and the longest password are taken."""
    assert app.register(app.request(password=password)).receipt.position > 0


def test_S03_the_code_confirms_the_registration(app: App) -> None:
    """The code that was sent confirms; sent again, the request is answered again; a second time is refused."""
    customer = app.register(app.request()).customer
    request_id = new_id()
    code = app.code(customer.customer_id)
    answer = app.confirm(customer.customer_id, code, request_id)
    assert answer.customer.state == customer_pb2.CUSTOMER_STATE_CONFIRMED
    again = app.confirm(customer.customer_id, code, request_id)
    assert (again.receipt.replayed, again.customer) == (True, answer.customer)
    assert refused(lambda: app.confirm(customer.customer_id, code)).reason == "CUSTOMER_ALREADY_CONFIRMED"


def test_S03_five_wrong_codes_void_the_registration(app: App) -> None:
    """Each wrong code counts down; after the fifth the right one is not compared any more."""
    customer_id = app.register(app.request()).customer.customer_id
    code = app.code(customer_id)
    for left in (4, 3, 2, 1, 0):
        refusal = refused(lambda: app.confirm(customer_id, wrong(code)))
        assert (refusal.reason, refusal.metadata["tries_left"]) == ("CONFIRMATION_CODE_WRONG", str(left))
    assert refused(lambda: app.confirm(customer_id, code)).reason == "CONFIRMATION_LOCKED"


def test_S03_a_try_that_is_sent_again_counts_once(app: App) -> None:
    """A wrong code sent again with its request id is answered as before, whatever code comes along."""
    customer_id = app.register(app.request()).customer.customer_id
    code, request_id = app.code(customer_id), new_id()
    for tried in (wrong(code), wrong(code), code):
        refusal = refused(lambda tried=tried: app.confirm(customer_id, tried, request_id))  # type: ignore[misc]
        assert (refusal.reason, refusal.metadata["tries_left"]) == ("CONFIRMATION_CODE_WRONG", "4")
    assert refused(lambda: app.confirm(customer_id, wrong(code))).metadata["tries_left"] == "3"
    assert app.confirm(customer_id, code).customer.state == customer_pb2.CUSTOMER_STATE_CONFIRMED


def test_S03_after_ten_minutes_the_code_is_worth_nothing(app: App) -> None:
    """A registration that was not confirmed in time cannot be, and its login and phone number are free again."""
    request = app.request()
    app.register(request)
    app.server.clock.advance(10 * MINUTE + 1)
    late = refused(lambda: app.confirm(request.request_id, app.code(request.request_id)))
    assert late.reason == "CONFIRMATION_EXPIRED"
    request.request_id = new_id()
    app.register(request)
    confirmed = app.confirm(request.request_id, app.code(request.request_id))
    assert confirmed.customer.phone_number == request.phone_number


def test_S04_the_pin_opens_the_application(app: App) -> None:
    """A PIN that was set with the password is verified; another is not."""
    customer_id = app.confirmed().customer_id
    assert app.verify(customer_id, PIN) == (api.PIN_RESULT_NOT_SET, 0)
    assert app.set_pin(customer_id).pin_set
    assert app.verify(customer_id, PIN) == (api.PIN_RESULT_RIGHT, 5)
    assert app.verify(customer_id, WRONG_PIN) == (api.PIN_RESULT_WRONG, 4)
    assert app.verify(customer_id, PIN) == (api.PIN_RESULT_RIGHT, 5)


@pytest.mark.parametrize("pin", ["", "123", "12345", "12a4", "123\n", "1234\n", "١٢٣٤", " 123"])
def test_S04_a_pin_is_exactly_four_digits(app: App, pin: str) -> None:
    """Anything but four ASCII digits is refused before it is compared with anything."""
    customer_id = app.confirmed().customer_id
    assert refused(lambda: app.set_pin(customer_id, pin)).fields == {"pin": "PATTERN"}
    assert refused(lambda: app.verify(customer_id, pin)).fields == {"pin": "PATTERN"}


def test_S04_five_misses_lock_the_pin_until_another_is_set(app: App) -> None:
    """After the fifth miss the right PIN is not compared, nothing of it is recorded, and a new PIN lifts the lock."""
    customer_id = app.confirmed().customer_id
    version = app.set_pin(customer_id).version
    for left in (4, 3, 2, 1, 0):
        assert app.verify(customer_id, WRONG_PIN) == (api.PIN_RESULT_WRONG, left)
    assert app.verify(customer_id, PIN) == (api.PIN_RESULT_LOCKED, 0)
    assert app.get(customer_id).version == version
    app.set_pin(customer_id, "1111")
    assert app.verify(customer_id, PIN)[0] == api.PIN_RESULT_WRONG
    assert app.verify(customer_id, "1111")[0] == api.PIN_RESULT_RIGHT


def test_S04_only_the_password_sets_a_pin(app: App) -> None:
    """A wrong password sets nothing, five lock the password for a while, and then it counts again."""
    customer_id = app.confirmed().customer_id
    for left in (4, 3, 2, 1, 0):
        refusal = refused(lambda: app.set_pin(customer_id, password=OTHER_PASSWORD))
        assert (refusal.reason, refusal.metadata["tries_left"]) == ("PASSWORD_WRONG", str(left))
    assert refused(lambda: app.set_pin(customer_id)).reason == "PASSWORD_LOCKED"
    assert not app.get(customer_id).pin_set
    app.server.clock.advance(15 * MINUTE + 1)
    assert app.set_pin(customer_id).pin_set


def test_S31_only_a_confirmed_customer_is_identified_and_the_tier_only_rises(app: App) -> None:
    """Identification waits for confirmation; remote may become in person, never the other way."""
    registered = app.register(app.request()).customer.customer_id
    early = refused(lambda: app.identify(registered, customer_pb2.CUSTOMER_TIER_REMOTE))
    assert early.reason == "CUSTOMER_NOT_CONFIRMED"
    assert refused(lambda: app.set_pin(registered)).reason == "CUSTOMER_NOT_CONFIRMED"
    app.confirm(registered, app.code(registered))
    remote, in_person = customer_pb2.CUSTOMER_TIER_REMOTE, customer_pb2.CUSTOMER_TIER_IN_PERSON
    assert app.identify(registered, remote).tier == remote
    assert refused(lambda: app.identify(registered, remote)).reason == "CUSTOMER_ALREADY_IDENTIFIED"
    assert app.identify(registered, in_person).tier == in_person
    assert refused(lambda: app.identify(registered, remote)).metadata["tier"] == "in_person"


def test_S33_each_step_is_refused_before_the_one_before_it(app: App) -> None:
    """Nobody who has not registered is confirmed, given a PIN or identified."""
    nobody = new_id()
    for step in (
        lambda: app.confirm(nobody, "000000"),
        lambda: app.set_pin(nobody),
        lambda: app.verify(nobody, PIN),
        lambda: app.identify(nobody, customer_pb2.CUSTOMER_TIER_REMOTE),
        lambda: app.erase(nobody),
        lambda: app.get(nobody),
    ):
        assert refused(step).reason == "CUSTOMER_NOT_FOUND"


def test_an_erased_customer_is_read_by_nobody(app: App) -> None:
    """Erasing leaves the id and what happened, and frees login and phone number; repeating it is harmless."""
    customer = app.confirmed()
    app.set_pin(customer.customer_id)
    request_id = new_id()
    erased = app.erase(customer.customer_id, request_id).customer
    again = app.erase(customer.customer_id, request_id).customer
    for left in (erased, again, app.get(customer.customer_id)):
        assert left == erased
        assert (erased.login, erased.phone_number, erased.full_name) == ("[erased]",) * 3
        assert erased.state == customer_pb2.CUSTOMER_STATE_ERASED
    assert app.verify(customer.customer_id, PIN) == (api.PIN_RESULT_NOT_SET, 0)
    assert refused(lambda: app.set_pin(customer.customer_id)).reason == "CUSTOMER_ERASED"
    first = app.ledger.transfers.GetOutcome(GetOutcomeRequest(request_id=customer.customer_id), timeout=CALL_SECONDS)
    assert (first.customer.version, first.customer.login) == (1, "[erased]")
    app.register(app.request(login=customer.login, phone_number=customer.phone_number))


def test_files_of_secrets_are_the_owners_alone(app: App) -> None:
    """Nobody else reads the master keys or, in development, the codes."""
    for name in ("master-keys.json", "confirmation-codes"):
        assert stat.S_IMODE((app.directory / name).stat().st_mode) == 0o600


def test_nothing_secret_stands_in_any_database_or_log_line(app: App) -> None:
    """No password, PIN, code, login, name or clear phone number is in any file of the server or in its output."""
    customer = app.confirmed()
    app.set_pin(customer.customer_id)
    with pytest.raises(grpc.RpcError):
        app.set_pin(customer.customer_id, password=OTHER_PASSWORD)
    files = [path for path in app.directory.iterdir() if path.is_file() and path.name != "confirmation-codes"]
    assert {"log.db", "vault.db"} <= {path.name for path in files}
    written = b"\n".join(path.read_bytes() for path in files) + app.server.said.encode()
    app.secrets |= {PIN, WRONG_PIN}
    assert customer.phone_number in app.secrets
    alone = rb"(?<![0-9A-Za-z+/=-])%s(?![0-9A-Za-z+/=-])"  # Four digits stand in many a longer number.
    assert {secret for secret in app.secrets if re.search(alone % re.escape(secret.encode()), written)} == set()
    assert {secret for secret in app.secrets if len(secret) > CODE_DIGITS and secret.encode() in written} == set()


def test_the_master_key_is_replaced_beside_the_running_server(app: App) -> None:
    """After rekeying, the server reads old customers and registers new ones."""
    before = app.confirmed()
    run = [sys.executable, "-m", "ledger.cli", "rekey", "--json"]
    told = json.loads(subprocess.run(run, env=app.server.environment, check=True, capture_output=True).stdout)
    assert told["master_key_id"] == "2"
    assert told["wrapped"] >= 1
    assert app.get(before.customer_id) == before
    assert app.get(app.confirmed().customer_id).full_name


@pytest.mark.postgres
def test_customers_live_in_postgresql_too(postgres_url: str, tmp_path: Path) -> None:
    """Over PostgreSQL the same journey leads from registration to erasure, and nothing secret stands in a table."""
    with server_on(postgres_url, tmp_path) as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            app = App(tmp_path, server, ledger)
            customer = app.confirmed()
            app.set_pin(customer.customer_id)
            assert app.verify(customer.customer_id, PIN)[0] == api.PIN_RESULT_RIGHT
            with psycopg.connect(postgres_url) as connection:
                written = b"".join(
                    bytes(value) if isinstance(value, bytes) else str(value).encode()
                    for table in ("events", "vault_keys", "vault_names", "vault_verifiers")
                    for row in connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
                    for value in row
                )
            found = {secret for secret in app.secrets if len(secret) > CODE_DIGITS and secret.encode() in written}
            assert found == set()
            assert app.erase(customer.customer_id).customer.login == "[erased]"
        server.stop()
