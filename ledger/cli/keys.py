"""``esep rekey`` and ``esep forget``: the vault's keys, replaced, and destroyed again after a restore."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ledger.cli.databases import require_file
from ledger.cli.options import AsJson, settings
from ledger.cli.output import console, print_document
from ledger.cli.problems import USAGE, Problem, ProblemError, reporting
from ledger.log.factory import open_log, open_tables
from ledger.settings import Settings
from ledger.vault.erasures import forget_again
from ledger.vault.errors import VaultError
from ledger.vault.keys import FileKeys, add_key
from ledger.vault.vault import Vault


def rekey(as_json: AsJson = False) -> None:  # noqa: FBT002 - typer's way
    """Make a new master key and wrap every customer's key anew with it. The server may be running."""
    with reporting(as_json=as_json), _vault(added=True) as (vault, _, key_id):
        wrapped = 0
        while count := vault.rewrap():
            wrapped += count
    if as_json:
        print_document({"ok": True, "master_key_id": key_id, "wrapped": wrapped})
    else:
        console().print(f"[green]Master key {key_id} wraps {wrapped} customers' keys.[/]")


def forget(as_json: AsJson = False) -> None:  # noqa: FBT002 - typer's way
    """Destroy again the keys of erased customers, which a restored backup of the vault may have brought back."""
    with reporting(as_json=as_json), _vault(added=False) as (vault, known, _):
        log = open_log(known.log_url, known.archive_dir)
        try:
            forgotten = forget_again(vault, log, 0, time.time_ns() // 1000)
        finally:
            log.close()
    if as_json:
        print_document({"ok": True, "erased": forgotten.erased, "destroyed": forgotten.destroyed})
    else:
        back = f" {forgotten.destroyed} of their keys had come back." if forgotten.destroyed else ""
        console().print(f"[green]{forgotten.erased} erased customers can be read by nobody.{back}[/]")


@contextmanager
def _vault(*, added: bool) -> Iterator[tuple[Vault, Settings, str]]:
    known = settings()
    require_file(known.log_url)
    try:
        FileKeys.load(known.keys_file, create=False)
        key_id = add_key(known.keys_file) if added else ""
        vault = Vault(open_tables(known.vault_url), FileKeys.load(known.keys_file, create=False))
    except VaultError as error:
        advice = "Correct the setting master_keys_file."
        raise ProblemError(Problem("VAULT_CLOSED", f"{error}.", advice), USAGE) from None
    try:
        yield vault, known, key_id
    except VaultError as error:
        raise ProblemError(Problem("VAULT_BROKEN", f"{error}.", "Restore the vault or its master keys.")) from None
    finally:
        vault.close()
