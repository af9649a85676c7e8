"""After the leaflets' story nothing that was told to one person or phone alone stands anywhere that outlives a call.

The whole story of the demonstration is played, then everything is refused that can be; and then the databases, their
write-ahead logs, the server's output and the texts of its errors are searched. One file may hold a secret: that of the
confirmation codes, which takes the place of a sender of SMS in development, and which no other server writes. The file
of the master keys holds those keys, and is searched for everything but them.
"""

import json
import sqlite3
from base64 import b64decode
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from ledger.log.factory import open_log
from protos.esep.v1.alias_service_pb2 import LinkPhoneRequest
from protos.esep.v1.card_binding_service_pb2 import ConfirmCardBindingRequest, RequestCardBindingRequest
from protos.esep.v1.card_service_pb2 import GetCardRequest, IssueCardRequest
from protos.esep.v1.customer_service_pb2 import (
    ConfirmRegistrationRequest,
    RegisterCustomerRequest,
    SetPinRequest,
    VerifyPinRequest,
)
from protos.esep.v1.payment_service_pb2 import PrepareServicePaymentRequest
from protos.esep.v1.quote_service_pb2 import CreateQuoteRequest
from scripts.demo_banks import BANKS, open_bank
from scripts.demo_client import new_id
from scripts.demo_server import ServerProcess
from scripts.provider import Provider
from scripts.story import paying
from scripts.story.people import Person
from scripts.story.plot import tell
from scripts.story.scene import Scene
from scripts.voice import Voice
from tests.journeys.search import Piece, Secrets, files, lines, postgres_tables

CODES = "confirmation-codes"
KEYS = "master-keys.json"


class Played:
    """A story that was played: what is secret, and everything that was written meanwhile."""

    def __init__(self, directory: Path, server: ServerProcess) -> None:
        self.directory = directory
        self._server = server
        server._said = deque()  # All of it is searched.
        server.start()
        with Scene(server.address, directory / CODES, Voice.unheard()) as scene:
            banks = {name: open_bank(scene.bank(name), scene.operator(), name) for name in BANKS}
            self.people = tell(scene, banks)
            for person in self.people:
                provoke(scene, person)
            self.errors = scene.errors
            self._texts = scene.secrets
        self.pieces = list(self._pieces())  # While the server runs, and so with its write-ahead logs.

    def stop(self) -> None:
        """Stop the server; take in what it wrote at the end."""
        self._server.stop()
        self.pieces += self._pieces()

    @property
    def secrets(self) -> Secrets:
        return Secrets(self._texts, self.master_keys)

    @property
    def texts(self) -> set[str]:
        return self._texts

    @property
    def master_keys(self) -> list[bytes]:
        """The keys in the file of the master keys."""
        return [b64decode(text) for text in _long(json.loads((self.directory / KEYS).read_text("ascii")))]

    def _pieces(self) -> Iterator[Piece]:
        yield from files(self.directory, apart_from=(CODES, KEYS))
        yield from lines("the server's output", self._server.said)
        yield from lines("the texts of errors", "\n".join(self.errors))


def _long(document: Any) -> Iterator[str]:
    for value in document.values() if isinstance(document, dict) else ():
        if isinstance(value, str) and len(value) > 20:
            yield value
        else:
            yield from _long(value)


def provoke(scene: Scene, person: Person) -> None:
    """Have everything refused that names a secret of somebody's."""
    app, stranger, bank = scene.app(person.customer_id), scene.app(), scene.bank("manas")
    again = RegisterCustomerRequest(
        request_id=new_id(),
        participant_id=person.bank.name,
        login=person.login,
        password=person.password,
        phone_number=person.phone_number,
        full_name=person.name,
    )
    binding = RequestCardBindingRequest(
        request_id=new_id(),
        customer_id=person.customer_id,
        card_name=person.name,
        card_number=person.card_number,
        expiry=person.expiry,
        cvv=f"{(int(person.cvv) + 1) % 1000:03}",
    )
    malformed = RequestCardBindingRequest()
    malformed.CopyFrom(binding)
    malformed.card_number = person.card_number + person.cvv
    issued_again = IssueCardRequest(
        request_id=new_id(),
        participant_id=person.bank.name,
        account_id=person.account_id,
        card_number=person.card_number,
        expiry="12/30",
    )
    named = ConfirmCardBindingRequest(
        request_id=new_id(), binding_id=new_id(), customer_id=person.customer_id, amount_tyiyn=417
    )
    pin = SetPinRequest(
        request_id=new_id(), customer_id=person.customer_id, password=person.password + "1", pin=person.pin
    )
    code = ConfirmRegistrationRequest(
        request_id=new_id(), customer_id=person.customer_id, code=scene.sms_code(person.customer_id)
    )
    long_pin = VerifyPinRequest(customer_id=person.customer_id, pin=person.pin * 2)
    quoted = CreateQuoteRequest(
        request_id=new_id(),
        customer_id=person.customer_id,
        card_id=person.card_id,
        amount_tyiyn=100,
        card_number=person.card_number[:-1] + str((int(person.card_number[-1]) + 1) % 10),
    )
    abroad = LinkPhoneRequest(
        request_id=new_id(),
        customer_id=person.customer_id,
        card_id=person.card_id,
        phone_number=person.phone_number + "1",
    )
    top_up = PrepareServicePaymentRequest(
        request_id=new_id(),
        customer_id=person.customer_id,
        card_id=person.card_id,
        service_id="mobile-mega",
        fields={"phone": person.phone_number + "1"},
        amount_tyiyn=100_00,
    )
    calls: tuple[tuple[Any, Any], ...] = (
        (app.quotes.CreateQuote, quoted),
        (app.aliases.LinkPhone, abroad),
        (app.payments.PrepareServicePayment, top_up),
        (stranger.customers.RegisterCustomer, again),
        (stranger.customers.RegisterCustomer, RegisterCustomerRequest(phone_number=person.phone_number[:-1])),
        (app.customers.SetPin, pin),
        (app.customers.VerifyPin, long_pin),
        (app.customers.ConfirmRegistration, code),
        (app.card_bindings.RequestCardBinding, binding),
        (app.card_bindings.RequestCardBinding, malformed),
        (app.card_bindings.ConfirmCardBinding, named),
        (scene.bank(person.bank.name).cards.IssueCard, issued_again),
        (bank.cards.GetCard, GetCardRequest(card_number=person.card_number)),
    )
    for method, request in calls:
        with pytest.raises(grpc.RpcError):
            scene.do(method, request)


def settings(provider: Provider, database_url: str = "") -> dict[str, str]:
    """Return the settings of the story's server."""
    database = {"ESEP_DATABASE_URL": database_url} if database_url else {}
    return {"ESEP_LOG_FORMAT": "json", **paying.settings(provider.target), **database}


def test_the_story_leaves_no_secret_in_sqlite(tmp_path: Path) -> None:
    """Neither in the files, nor in a value of a table, nor in what the server said, nor in an error."""
    with Provider() as provider, ServerProcess(tmp_path, settings(provider)) as server:
        played = Played(tmp_path, server)
        played.stop()
    assert len(played.texts) >= 20
    assert len(played.master_keys) >= 2
    assert len(played.errors) >= 20
    searched = {piece.where.partition(",")[0] for piece in played.pieces}
    assert {"log.db", "log.db-wal", "vault.db", "the server's output", "the texts of errors"} <= searched
    assert any("projections" in where for where in searched)
    assert played.secrets.found(played.pieces) == []
    keys = Piece(KEYS, (tmp_path / KEYS).read_bytes(), value=False)
    assert Secrets(played.texts).found([keys]) == []


@pytest.mark.postgres
def test_the_story_leaves_no_secret_in_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """Log, tables and vault in a PostgreSQL database: no value of any table holds one."""
    with Provider() as provider, ServerProcess(tmp_path, settings(provider, postgres_url)) as server:
        played = Played(tmp_path, server)
        played.stop()
    dumped = list(postgres_tables(postgres_url))
    with closing(open_log(postgres_url)) as log:
        assert len(log.read(0, 0, 10_000)) == sum(piece.where.endswith(".events.state") for piece in dumped) > 100
    assert any(".vault_cards.sealed" in piece.where for piece in dumped)
    assert played.secrets.found([*dumped, *played.pieces]) == []


CARD, TOKEN, PHONE, KEY = "9417000000000016", "9417990000000018", "+996700123456", "00112233445566778899aabbccddeeff"


@pytest.mark.parametrize(
    "written",
    [
        f"paid with {CARD}",
        "paid with 9417 0000 0000 0024",
        "9417990000000026",
        "sent to +996 555 010203",
        '{"told":"Jashyl417"}',
        b"Jashyl417".hex(),
        "SmFzaHlsNDE3",
        "eEphc2h5bDQxNw==",
        "eHhKYXNoeWw0MTc=",
        '{"cvv":"000"}',
        '{"said":"the code 417417 came"}',
        "0700123456",
        KEY,
        bytes.fromhex(KEY),
        bytes.fromhex(CARD),
        "10eb174f4b9df2a5c28e8fa3f4b02ea8",
    ],
)
def test_what_is_written_is_found(tmp_path: Path, written: str | bytes) -> None:
    """In a table, in a file, in a line: whatever the form."""
    secrets = Secrets({CARD, TOKEN, PHONE, KEY, "Jashyl417", "417417"})
    with closing(sqlite3.connect(tmp_path / "some.db")) as database, database:
        database.execute("CREATE TABLE notes (note)")
        database.execute("INSERT INTO notes VALUES (?)", (written,))
    found = secrets.found(files(tmp_path, apart_from=()))
    assert any(each.startswith("some.db, notes.note: ") for each in found)
    assert not any(CARD in each or PHONE in each or "Jashyl" in each for each in found)


def test_what_is_no_secret_is_not_found() -> None:
    """A masked number, a time in microseconds, a number that fails its check digit, somebody's 417 som."""
    innocent = (
        "941700******0016",
        "1795315200417417",
        "9417000000000017",
        '{"amount":417417,"at":"2026-11-22"}',
        "+996",
    )
    pieces = [piece for text in innocent for piece in lines("somewhere", text)]
    assert Secrets({CARD, PHONE, "417417"}).found(pieces) == []
