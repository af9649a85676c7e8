"""Arguments that several commands share, and the settings behind their defaults."""

from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from pydantic import ValidationError

from ledger.cli.problems import USAGE, Problem, ProblemError
from ledger.settings import Settings, SettingsError, complaints

Account = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="The account's id, or bank/number by the bank's own number.")
]
Server = Annotated[
    str, typer.Option("--server", metavar="HOST:PORT", help="The server to ask. Default: the setting listen.")
]


def _file(option: str, variable: str, help_text: str) -> Any:
    return typer.Option(
        option, envvar=variable, metavar="FILE", help=help_text, exists=True, dir_okay=False, readable=True
    )


TlsCa = Annotated[
    Path | None, _file("--tls-ca", "ESEP_CLIENT_CA_FILE", "Certificates of who signs the server's certificate, in PEM.")
]
TlsCert = Annotated[
    Path | None, _file("--tls-cert", "ESEP_CLIENT_CERTIFICATE_FILE", "The certificate to show the server, in PEM.")
]
TlsKey = Annotated[Path | None, _file("--tls-key", "ESEP_CLIENT_KEY_FILE", "The certificate's private key, in PEM.")]
Token = Annotated[
    Path | None, _file("--token", "ESEP_CLIENT_TOKEN_FILE", "A file with the signed token that says who is asking.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document; amounts are integers, in tyiyn.")]


def settings() -> Settings:
    """Return the settings; raises ProblemError naming those that are wrong."""
    advice = "Correct the ESEP_* variables or esep.toml."
    try:
        return Settings()
    except SettingsError as error:
        raise ProblemError(Problem("SETTINGS_INVALID", str(error), advice), USAGE) from None
    except ValidationError as error:
        raise ProblemError(Problem("SETTINGS_INVALID", complaints(error), advice), USAGE) from None


def time_zone() -> ZoneInfo:
    """Return the zone in which times are printed and dates are read: that of the business day."""
    return ZoneInfo(settings().business_time_zone)
