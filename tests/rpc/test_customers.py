"""CustomerService at its edges: slow work off the event loop, and a sender that takes no code."""

import threading
from pathlib import Path
from typing import Any

import pytest

from ledger.rpc.client import Ledger
from ledger.vault.codes import FileCodes
from protos.esep.v1 import customer_service_pb2 as api
from tests.rpc.world import World, new_id, refused


class WatchedHasher:
    """Hashes as told, and notes on which threads."""

    def __init__(self, hasher: Any) -> None:
        self._hasher = hasher
        self.threads: list[str] = []

    def hash(self, secret: str) -> str:
        self.threads.append(threading.current_thread().name)
        hashed: str = self._hasher.hash(secret)
        return hashed

    def verify(self, verifier: str, secret: str) -> bool:
        self.threads.append(threading.current_thread().name)
        right: bool = self._hasher.verify(verifier, secret)
        return right


def register(ledger: Ledger, request_id: str = "") -> api.RegisterCustomerResponse:
    number = new_id().replace("-", "")
    request = api.RegisterCustomerRequest(
        request_id=request_id or new_id(),
        participant_id="bank-a",
        login=number,
        password="Jashyl2026",
        phone_number=f"+996{int(number[:8], 16):010}",
    )
    return ledger.customers.RegisterCustomer(request)


def test_slow_hashes_are_made_on_threads_of_their_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the event loop nor the threads of other questions wait for Argon2."""
    verifiers = world.vault.vault.verifiers
    hasher = WatchedHasher(verifiers._hasher)
    monkeypatch.setattr(verifiers, "_hasher", hasher)
    ledger = world.client()
    customer_id = register(ledger).customer.customer_id
    codes = world.vault.codes
    assert isinstance(codes, FileCodes)
    code = codes._path.read_text().split()[-1]
    ledger.customers.ConfirmRegistration(
        api.ConfirmRegistrationRequest(request_id=new_id(), customer_id=customer_id, code=code)
    )
    ledger.customers.SetPin(
        api.SetPinRequest(request_id=new_id(), customer_id=customer_id, password="Jashyl2026", pin="8305")
    )
    ledger.customers.VerifyPin(api.VerifyPinRequest(customer_id=customer_id, pin="8305"))
    assert len(hasher.threads) == 4
    assert all(name.startswith("esep-vault") for name in hasher.threads)


def test_a_code_that_is_not_sent_registers_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a sender the registration is not recorded, and the same request is taken later."""
    ledger, request_id = world.client(), new_id()
    with monkeypatch.context() as broken:
        broken.setattr(world.vault.codes, "_path", tmp_path)
        refusal = refused(lambda: register(ledger, request_id))
    assert (refusal.reason, refusal.metadata["recorded"]) == ("CODE_NOT_SENT", "false")
    unknown = refused(lambda: ledger.customers.GetCustomer(api.GetCustomerRequest(customer_id=request_id)))
    assert unknown.reason == "CUSTOMER_NOT_FOUND"
    assert register(ledger).receipt.position > 0
