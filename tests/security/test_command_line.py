"""The command line before a server that speaks TLS both ways."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cryptography import x509

from ledger.rpc.callers import KnownCaller, Role
from ledger.rpc.client import connect, credentials
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CUSTOMER, ACCOUNT_KIND_SETTLEMENT
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from tests.authority import Authority
from tests.rpc.world import PATIENCE, World, new_id

LISTED = {
    "core.bank-a": KnownCaller(role=Role.BANK, participant="bank-a"),
    "audit": KnownCaller(role=Role.AUDITOR),
}
OK, REFUSED, USAGE = 0, 1, 2
VARIABLES = ("ESEP_CLIENT_CA_FILE", "ESEP_CLIENT_CERTIFICATE_FILE", "ESEP_CLIENT_KEY_FILE")
OPTIONS = ("--tls-ca", "--tls-cert", "--tls-key")


class Guarded:
    """A server that wants certificates, with an account of bank A's, and those who sign for it."""

    def __init__(self, world: World, servers: Authority, clients: Authority, strangers: Authority) -> None:
        self.address = world.address
        self.bank = (servers.file, *clients.issue("core.bank-a"))
        self.auditor = (servers.file, *clients.issue("audit"))
        self.stranger = (servers.file, *strangers.issue("core.bank-a.forged"))
        self.mistaken = (strangers.file, *self.bank[1:])
        self.number = "1080000000000001"
        opening = OpenAccountRequest(
            request_id=new_id(), participant_id="bank-a", kind=ACCOUNT_KIND_CUSTOMER, account_number=self.number
        )
        paying = OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=ACCOUNT_KIND_SETTLEMENT)
        with connect(self.address, credentials=credentials(*self.bank)) as ledger:
            settlement = ledger.accounts.OpenAccount(paying, timeout=PATIENCE)
            self.settlement = str(settlement.account.account_id)
            opened = ledger.accounts.OpenAccount(opening, timeout=PATIENCE)
            self.account = str(opened.account.account_id)
            question = GetBalanceRequest(account_id=opened.account.account_id)
            question.min_position.position = opened.receipt.position
            ledger.statements.GetBalance(question, timeout=PATIENCE)  # From here on the tables know the account.

    def run(
        self, *arguments: str, files: tuple[Path, ...] = (), environment: dict[str, str] | None = None
    ) -> CompletedProcess[str]:
        """Run a command in a process of its own: this one is the server's, and prints what it logs."""
        shown = [part for option, file in zip(OPTIONS, files, strict=False) for part in (option, str(file))]
        given = (*arguments, "--server", self.address, "--json", *shown)
        return subprocess.run(
            [sys.executable, "-m", "ledger.cli", *given],
            env={**os.environ, "ESEP_CONFIG": os.devnull, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE * 6,  # A program has to start first, on a machine that may have much else to do.
            check=False,
        )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    directory = tmp_path_factory.mktemp("guarded")
    servers, clients, strangers = (Authority(directory, name) for name in ("servers", "clients", "strangers"))
    certificate, key = servers.issue("ledger", x509.IPAddress(IPv4Address("127.0.0.1")))
    with World(
        directory,
        development=False,
        certificate_file=certificate,
        key_file=key,
        client_authorities_file=clients.file,
        callers=LISTED,
    ) as world:
        yield Guarded(world, servers, clients, strangers)


@pytest.mark.parametrize("command", ["balance", "statement", "authorizations", "receipt"])
def test_a_command_shows_its_certificate(guarded: Guarded, command: str) -> None:
    """Every command that asks about an account is answered as whoever the certificate names."""
    done = guarded.run(command, guarded.account, files=guarded.bank)
    assert done.returncode == OK, done.stderr
    assert "error" not in json.loads(done.stdout)


def test_salaries_are_paid_with_a_certificate(guarded: Guarded, tmp_path: Path) -> None:
    """A file is paid as the bank that the certificate names; an auditor's pays nothing."""
    file = tmp_path / "salaries.csv"
    file.write_text(f"line,account_number,amount,reference\n1,{guarded.number},45.50,\n", "utf-8")
    command = ("credits", "post", str(file), "--category", "salary", "--from", guarded.settlement, "--payer", "Textile")
    denied = guarded.run(*command, files=guarded.auditor)
    assert (denied.returncode, json.loads(denied.stdout)["error"]["reason"]) == (REFUSED, "PERMISSION_DENIED")
    done = guarded.run(*command, files=guarded.bank)
    assert done.returncode == OK, done.stdout
    assert json.loads(done.stdout)["credit_file"]["posted_sum_tyiyn"] == 4_550


def test_a_history_is_exported_for_auditors(guarded: Guarded, tmp_path: Path) -> None:
    """An auditor takes the history along; a bank is refused, and nothing is left in its directory."""
    directory = str(tmp_path / "export")
    denied = guarded.run("audit", "export", directory, files=guarded.bank)
    assert (denied.returncode, json.loads(denied.stdout)["error"]["reason"]) == (REFUSED, "PERMISSION_DENIED")
    assert not (tmp_path / "export").exists()
    done = guarded.run("audit", "export", directory, files=guarded.auditor)
    assert done.returncode == OK, done.stdout
    assert json.loads(done.stdout)["head"] >= 3
    for question in (("diff", "0"), ("explain", guarded.account)):
        denied = guarded.run("audit", *question, files=guarded.bank)
        assert (denied.returncode, json.loads(denied.stdout)["error"]["reason"]) == (REFUSED, "PERMISSION_DENIED")
        assert guarded.run("audit", *question, files=guarded.auditor).returncode == OK


def test_the_status_of_a_guarded_server_is_told(guarded: Guarded) -> None:
    """Health is asked over the same channel, and an auditor sees how far the answers reach."""
    done = guarded.run("status", files=guarded.auditor)
    server = json.loads(done.stdout)["server"]
    assert (done.returncode, server["health"], "problem" in server) == (OK, "SERVING", False)
    server = json.loads(guarded.run("status", files=guarded.bank).stdout)["server"]
    assert server["problem"]["reason"] == "PERMISSION_DENIED"


def test_the_files_may_stand_in_variables(guarded: Guarded) -> None:
    """What is not given as an option is taken from the environment."""
    environment = dict(zip(VARIABLES, map(str, guarded.bank), strict=True))
    done = guarded.run("balance", guarded.account, environment=environment)
    assert done.returncode == OK, done.stderr
    denied = guarded.run("balance", guarded.account, files=guarded.auditor[:1], environment=environment)
    assert denied.returncode == OK, denied.stdout


@pytest.mark.parametrize("who", ["nobody", "stranger", "mistaken"])
def test_whoever_the_server_does_not_trust_is_not_answered(guarded: Guarded, who: str) -> None:
    """Plain text, a certificate of another authority, and a server whom the client does not trust."""
    files = {"nobody": (), "stranger": guarded.stranger, "mistaken": guarded.mistaken}[who]
    done = guarded.run("balance", guarded.account, files=files)
    assert done.returncode == REFUSED
    told = json.loads(done.stdout)["error"]
    assert (told["reason"], "--tls-cert" in told["advice"]) == ("SERVER_UNREACHABLE", True)


@pytest.mark.parametrize("missing", OPTIONS)
def test_part_of_the_files_is_a_misuse(guarded: Guarded, missing: str) -> None:
    """A command that would fall back to plain text says so instead."""
    given = [(option, str(file)) for option, file in zip(OPTIONS, guarded.bank, strict=True) if option != missing]
    done = guarded.run("balance", guarded.account, *(part for pair in given for part in pair))
    assert done.returncode == USAGE
    assert json.loads(done.stdout)["error"]["reason"] == "INVALID_ARGUMENT"


def test_a_file_that_is_not_there_is_named(guarded: Guarded, tmp_path: Path) -> None:
    """The option and the path, before anything is sent."""
    wide = {"COLUMNS": "400"}  # No line is broken, however long the path is.
    done = guarded.run("balance", guarded.account, files=(tmp_path / "none.pem", *guarded.bank[1:]), environment=wide)
    assert done.returncode == USAGE
    assert "--tls-ca" in done.stderr
    assert f"'{tmp_path / 'none.pem'}' does not exist" in done.stderr
