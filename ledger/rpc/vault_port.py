"""What the edge keeps secrets with: the vault, what brings codes to phones, and the issuer who knows the cards."""

from pathlib import Path
from typing import NamedTuple

from domain.ports import Issuer
from ledger.issuer import LocalIssuer
from ledger.log.factory import open_tables
from ledger.vault.codes import CodeSender, FileCodes, NoCodes
from ledger.vault.keys import FileKeys
from ledger.vault.vault import Vault


class VaultPort(NamedTuple):
    """What the edge is given to keep secrets with, and to ask about them."""

    vault: Vault
    codes: CodeSender
    issuer: Issuer


def open_vault(url: str, keys_file: Path, codes_file: Path, *, development: bool) -> VaultPort:
    """Open the vault. In development its keys are made if there are none, and codes are written to a file.

    Raises VaultError or LogError.
    """
    keys = FileKeys.load(keys_file, create=development)
    codes = FileCodes(codes_file) if development else NoCodes()
    return VaultPort(Vault(open_tables(url), keys), codes, LocalIssuer(keys))
