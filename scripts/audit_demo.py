"""``make audit-demo``: an auditor takes a ledger's history home, verifies it there, and catches eight forgers.

A real server lives through the leaflets' story and some thousands of transfers. The auditor works with ``esep audit``
alone, in processes of their own, and verifies while no server runs. The last line is ``audit: ok``, or the exit code
is 1.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import grpc
from rich.markup import escape

from ledger.audit.signing.keys import SigningKeys
from ledger.cli.output import console
from ledger.rpc.client import Ledger
from protos.esep.v1.customer_service_pb2 import EraseCustomerRequest, GetCustomerRequest
from scripts.demo_banks import BANKS, open_bank
from scripts.demo_client import answer_of, connect_plainly, new_id
from scripts.demo_load import Traffic, send
from scripts.demo_server import ROOT, ServerError, ServerProcess
from scripts.provider import Provider
from scripts.story import paying
from scripts.story.people import Person
from scripts.story.plot import tell
from scripts.story.scene import Scene, expect
from scripts.tampering import OLD_BACKUP, TAMPERINGS, Copy, Forgery
from scripts.voice import Discrepancy, Voice

SEED: Final = 2026
LARGEST: Final = 400_00
BATCH: Final = 500
BEFORE: Final = 1_000
"""Transfers until the first export and the first checkpoint that the auditor keeps."""
AFTER: Final = 2_000
"""Transfers until the second checkpoint that the auditor keeps."""
KEPT: Final = ("first.note", "second.note")
TRUSTED: Final = ("--key", "ledger.keys", *(option for note in KEPT for option in ("--against", note)))
"""What an auditor verifies with: the ledger's key, had from the bank itself, and checkpoints of their own."""
FOUND: Final = 1
"""The exit code of a verification that has found something."""

voice = Voice(console())
heading, say, check = voice.heading, voice.say, voice.check


def main() -> int:
    """Run the demonstration; return the exit code."""
    started = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="esep-audit-", ignore_cleanup_errors=True) as directory,
            Provider() as provider,
        ):
            data, home = Path(directory) / "ledger", Path(directory) / "auditor"
            data.mkdir()
            home.mkdir()
            with ServerProcess(data, paying.settings(provider.target)) as server:
                demonstrate(server, Auditor(server, home))
    except grpc.RpcError as error:
        answer = answer_of(error)
        voice.console.print(f"[red]a call failed: {answer.reason}: {answer.message}[/]")
        return 1
    except (Discrepancy, ServerError, TimeoutError) as error:
        voice.console.print(f"[red]{error}[/]")
        return 1
    voice.console.print(f"\nin {time.monotonic() - started:.1f} s")
    sys.stdout.write("audit: ok\n")
    return 0


class Auditor:
    """Somebody with a directory of their own, and the program ``esep``."""

    def __init__(self, server: ServerProcess, home: Path) -> None:
        self._server = server
        self.home = home
        self.export = home / "export"
        self.old = home / "old-backup"

    def run(self, *arguments: str, exit_code: int = 0) -> str:
        """Run ``esep audit`` and show it; raises Discrepancy for any other exit code."""
        said = self._run(arguments, exit_code)
        say(f"[bold]$ esep audit {escape(shlex.join(arguments))}[/]")
        for line in said.splitlines():
            say(f"[dim]{escape(line)}[/]")
        return said

    def verify(self, export: Path, *, exit_code: int = FOUND) -> dict[str, Any]:
        """Verify an export offline, against everything that was kept; return the report."""
        arguments = ("verify", "--export", export.name, *TRUSTED, "--json")
        report: dict[str, Any] = json.loads(self._run(arguments, exit_code))["report"]
        return report

    def _run(self, arguments: tuple[str, ...], exit_code: int) -> str:
        program = [sys.executable, "-m", "ledger.cli", "audit", *arguments]
        environment = {**self._server.environment, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
        ended = subprocess.run(  # noqa: S603 - our own program
            program, cwd=self.home, env=environment, capture_output=True, text=True, check=False
        )
        if ended.returncode != exit_code:
            told = f"esep audit {shlex.join(arguments)} ended with {ended.returncode}, must be {exit_code}"
            raise Discrepancy(f"{told}\n{ended.stdout}{ended.stderr}")
        return ended.stdout


def demonstrate(server: ServerProcess, auditor: Auditor) -> None:
    """Show one thing after another; raises Discrepancy at the first that is not as it should be."""
    person = live(server, auditor)
    verify_at_home(server, auditor)
    catch(auditor, SigningKeys.load(server.directory / "checkpoint-keys.json", create=False))
    erase(server, auditor, person)


def live(server: ServerProcess, auditor: Auditor) -> Person:
    """Let a ledger have a history; return the first of its people."""
    heading("A ledger lives, and an auditor takes its history along")
    server.start()
    codes = server.directory / "confirmation-codes"
    with connect_plainly(server.address) as ledger, Scene(server.address, codes, Voice.unheard()) as scene:
        banks = {name: open_bank(scene.bank(name), scene.operator(), name) for name in BANKS}
        people = tell(scene, banks)
        traffic = Traffic([customer for bank in banks.values() for customer in bank.customers], SEED, largest=LARGEST)
        pay(ledger, traffic, BEFORE)
        say(f"{len(people)} people joined, paid and were paid; then {BEFORE:,} transfers between customers")
        auditor.run("checkpoint", KEPT[0], "--keys", "ledger.keys")
        auditor.run("export", auditor.export.name)
        shutil.copytree(auditor.export, auditor.old)
        pay(ledger, traffic, AFTER)
        say(f"{AFTER:,} more transfers")
        auditor.run("checkpoint", KEPT[1])
        auditor.run("export", auditor.export.name)
    return people[0]


def pay(ledger: Ledger, traffic: Traffic, count: int) -> None:
    """Make transfers."""
    for _ in range(0, count, BATCH):
        send(ledger, traffic.next(BATCH))


def verify_at_home(server: ServerProcess, auditor: Auditor) -> None:
    """Verify the export where there is no ledger."""
    server.stop()
    heading("The server is stopped; the auditor verifies at home")
    auditor.run("verify", "--export", auditor.export.name, *TRUSTED, "--report", "report")
    check("the report is signed by the auditor's own key")


def catch(auditor: Auditor, stolen: SigningKeys) -> None:
    """Show eight forgers, and what each is caught by."""
    heading("Eight forgers, each with a copy of the export")
    for number, tampering in enumerate(TAMPERINGS, 1):
        copy = Copy(auditor.export, auditor.home / f"forged-{number}")
        position = tampering.tamper(copy, stolen)
        copy.write()
        show(number, tampering.forgery, position, auditor.verify(auditor.home / f"forged-{number}"))
    show(len(TAMPERINGS) + 1, OLD_BACKUP, 0, auditor.verify(auditor.old))


def show(number: int, forgery: Forgery, position: int, report: dict[str, Any]) -> None:
    """Say how one was caught; raises Discrepancy where nothing in the report tells of it."""
    for finding in report["findings"]:
        if finding["check"] == forgery.check and (not position or finding.get("position") == position):
            check(f"{number}. {forgery.title}")
            where = f" at position {finding['position']}" if "position" in finding else ""
            say(f"   [dim]{forgery.check}{where}: {escape(finding['message'])}[/]")
            return
    found = "\n".join(str(finding) for finding in report["findings"])
    raise Discrepancy(f"not detected at position {position}: {forgery.title}\n{found}")


def erase(server: ServerProcess, auditor: Auditor, person: Person) -> None:
    """Erase a customer, and verify again."""
    heading(f"{person.first_name} is erased, and every proof still holds")
    server.start()
    with Scene(server.address, server.directory / "confirmation-codes", Voice.unheard()) as scene:
        customers = scene.bank(person.bank.name).customers
        asked = GetCustomerRequest(customer_id=person.customer_id)
        expect("the name before", scene.do(customers.GetCustomer, asked).customer.full_name, person.name)
        scene.do(customers.EraseCustomer, EraseCustomerRequest(request_id=new_id(), customer_id=person.customer_id))
        name = scene.do(customers.GetCustomer, asked).customer.full_name
        expect("the name after", name, "[erased]")
        say(f"the key is destroyed; the name now reads {escape(name)}")
    auditor.run("export", auditor.export.name)
    server.stop()
    auditor.run("verify", "--export", auditor.export.name, *TRUSTED)
    check("the history is still the one whose checkpoints were kept before")


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
