"""``esep qr``: what a QR code says, and QR codes of one's own. Neither needs a server."""

from typing import Final

import typer

from ledger.cli.qr_decode import decode
from ledger.cli.qr_make import make

qr: Final = typer.Typer(
    help="Read and write QR codes: the national code and the merchant-presented code of EMV.", no_args_is_help=True
)
qr.command()(decode)
qr.command()(make)
