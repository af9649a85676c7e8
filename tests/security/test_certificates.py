"""A server as it runs outside development: TLS both ways, and roles by certificate."""

from ipaddress import IPv4Address
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from ledger.rpc.callers import KnownCaller, Role
from ledger.rpc.client import Ledger, connect, credentials
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CUSTOMER
from protos.esep.v1.account_service_pb2 import GetAccountRequest, ListAccountsRequest, OpenAccountRequest
from tests.authority import Authority
from tests.rpc.world import PATIENCE, World, new_id, refused

LISTED = {
    "core.bank-a": KnownCaller(role=Role.BANK, participant="bank-a"),
    "core.bank-b": KnownCaller(role=Role.BANK, participant="bank-b"),
}


def test_callers_are_who_their_certificates_say(tmp_path: Path) -> None:
    """A listed bank has its own; an unlisted one is denied, and one of another authority is not even heard."""
    servers, clients, strangers = (Authority(tmp_path, name) for name in ("servers", "clients", "strangers"))
    certificate, key = servers.issue("ledger", x509.IPAddress(IPv4Address("127.0.0.1")))
    with World(
        tmp_path,
        development=False,
        certificate_file=certificate,
        key_file=key,
        client_authorities_file=clients.file,
        callers=LISTED,
    ) as world:

        def client(authority: Authority, name: str, *alternatives: x509.GeneralName) -> Ledger:
            files = authority.issue(name, *alternatives)
            return connect(world.address, caller="core.bank-a", credentials=credentials(servers.file, *files))

        opening = OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=ACCOUNT_KIND_CUSTOMER)
        with client(clients, "core.bank-a") as bank_a:
            opened = bank_a.accounts.OpenAccount(opening, metadata=bank_a.metadata, timeout=PATIENCE)
            assert opened.receipt.caller == "core.bank-a"
        question = GetAccountRequest(account_id=opened.account.account_id)
        with client(clients, "b", x509.DNSName("core.bank-b")) as bank_b:
            assert _code(bank_b, question) is grpc.StatusCode.PERMISSION_DENIED
            bank_b.accounts.ListAccounts(ListAccountsRequest(participant_id="bank-b"), timeout=PATIENCE)
        with client(clients, "core.bank-c") as unlisted:
            assert _code(unlisted, question) is grpc.StatusCode.PERMISSION_DENIED
        with client(strangers, "core.bank-a") as stranger, pytest.raises(grpc.RpcError) as unheard:
            stranger.accounts.GetAccount(question, timeout=2)
        assert unheard.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def _code(ledger: Ledger, question: GetAccountRequest) -> grpc.StatusCode:
    """Return the code of a refused question; the metadata claims to be bank A's, and an operator's."""
    claims = (*ledger.metadata, ("esep-role", "operator"))
    return refused(lambda: ledger.accounts.GetAccount(question, metadata=claims, timeout=PATIENCE)).code
