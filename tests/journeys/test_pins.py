"""The card's PIN is the business of the ATM's host (row S14): the ledger has no way in for it.

The contract's own descriptors say so: whatever a caller may send is walked, message by message.
"""

from collections.abc import Iterator

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from ledger.rpc.callers import Role
from ledger.rpc.client import Ledger, method_names
from ledger.rpc.identity import PARTICIPANT_KEY, ROLE_KEY
from ledger.rpc.permissions import PERMISSIONS
from protos.esep.v1 import account_pb2
from protos.esep.v1.customer_service_pb2 import SetPinRequest, VerifyPinRequest
from protos.esep.v1.receipt_service_pb2 import GetMiniStatementReceiptRequest
from protos.esep.v1.service_directory_pb2 import LANGUAGE_KY
from scripts.demo_client import new_id
from tests.rpc.world import refused
from tests.serving import CALL_SECONDS, ledger, open_account, server

__all__ = ["ledger", "server"]

APPLICATION = {"esep.v1.SetPinRequest.pin", "esep.v1.VerifyPinRequest.pin"}
"""The PIN of the application, which is not the card's: row S04."""
WORDS = {"pin", "pinblock", "pvv", "track", "track1", "track2", "icc", "emv", "offset"}
"""What a card's PIN, or that by which it is checked, is called in messages between hosts (ISO 8583, ISO 9564)."""
ATM = ((ROLE_KEY, "atm"), (PARTICIPANT_KEY, "bank-a"))


def requests() -> dict[str, Descriptor]:
    """Return the request of every method of the contract, by the method's full name."""
    pool = descriptor_pool.Default()
    found = {}
    for name in method_names():
        service, _, method = name.removeprefix("/").partition("/")
        found[name] = pool.FindServiceByName(service).methods_by_name[method].input_type
    return found


def fields(message: Descriptor, seen: frozenset[str] = frozenset()) -> Iterator[FieldDescriptor]:
    """Yield every field of a message, and of the messages in it."""
    for field in message.fields:
        yield field
        if field.message_type is not None and field.message_type.full_name not in seen:
            yield from fields(field.message_type, seen | {message.full_name})


def test_S14_no_method_takes_a_cards_pin() -> None:
    """Of all that can be sent, two fields are a PIN: those of the application's own."""
    sent = {field.full_name for request in requests().values() for field in fields(request)}
    assert len(sent) > 200
    assert {name for name in sent if WORDS & set(name.rpartition(".")[2].split("_"))} == APPLICATION


def test_S14_an_atm_sends_nothing_that_could_hide_one() -> None:
    """No method that an ATM may call takes a PIN, a password, a CVV, or bytes without a name for what they are."""
    methods = {name for name, row in PERMISSIONS.items() if Role.ATM in row.rules}
    assert methods
    assert not {name for name in methods if name.endswith(("/SetPin", "/VerifyPin"))}
    sent = [field for name, request in requests().items() if name in methods for field in fields(request)]
    assert not {field.full_name for field in sent if field.type == FieldDescriptor.TYPE_BYTES}
    assert not {field.full_name for field in sent if field.name in {"password", "cvv"}}


def test_S14_an_atm_asks_once_its_host_has_checked_the_pin(ledger: Ledger) -> None:
    """The mini-statement is printed for the account alone; the application's PIN is not an ATM's to try."""
    account = open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER)
    request = GetMiniStatementReceiptRequest(account_id=account, language=LANGUAGE_KY)
    printed = ledger.receipts.GetMiniStatementReceipt(request, metadata=ATM, timeout=CALL_SECONDS)
    assert printed.lines[0].strip() == "КЫСКАЧА КӨЧҮРМӨ"
    tried = VerifyPinRequest(customer_id=new_id(), pin="8305")
    chosen = SetPinRequest(request_id=new_id(), customer_id=new_id(), password="Jashyl2026", pin="8305")
    assert (
        refused(lambda: ledger.customers.VerifyPin(tried, metadata=ATM, timeout=CALL_SECONDS)).reason
        == refused(lambda: ledger.customers.SetPin(chosen, metadata=ATM, timeout=CALL_SECONDS)).reason
        == "PERMISSION_DENIED"
    )


@pytest.mark.parametrize("name", sorted(APPLICATION))
def test_S14_the_pins_that_there_are_belong_to_the_application(name: str) -> None:
    """Both are in messages that only an application may send, and that name a customer, not a card."""
    (method,) = [each for each, request in requests().items() if name.startswith(f"{request.full_name}.")]
    assert set(PERMISSIONS[method].rules) == {Role.APP}
    names = {field.name for field in requests()[method].fields}
    assert "customer_id" in names
    assert not any("card" in each for each in names)
