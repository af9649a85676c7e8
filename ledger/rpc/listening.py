"""Taking the port that the settings name: plain text in development, and TLS everywhere else.

The server's certificate, its key and the clients' authorities are read again when their files change, and every
connection that is made from then on is made with the new ones; those that stand already go on. So a certificate is
renewed, and an authority exchanged, while the server runs.
"""

from pathlib import Path
from typing import NamedTuple

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ledger.key_files import readable_by_all
from ledger.rpc.settings import RpcSettings
from ledger.rpc.watched import Watched


class Shown(NamedTuple):
    """What the server shows to clients, and by whose signature it knows theirs."""

    certificate: bytes
    key: bytes
    authorities: bytes | None


def listen(server: grpc.aio.Server, settings: RpcSettings) -> int:
    """Take the port; return it. Raises OSError, ValueError for files that do not go together, or RuntimeError."""
    if settings.development:
        return server.add_insecure_port(settings.listen)
    if settings.key_file is None or settings.certificate_file is None:
        raise ValueError("outside development, certificate and key are both needed")
    return server.add_secure_port(
        settings.listen, _credentials(settings.certificate_file, settings.key_file, settings.client_authorities_file)
    )


def _credentials(certificate: Path, key: Path, authorities: Path | None) -> grpc.ServerCredentials:
    files = [file for file in (certificate, key, authorities) if file is not None]
    watched = Watched(files, lambda: read_shown(certificate, key, authorities), look_seconds=0)
    in_force = watched.current()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        """Return what is shown from now on, None where that is what was shown before; asked at every handshake."""
        nonlocal in_force
        newest = watched.current()
        if newest == in_force:
            return None
        in_force = newest
        return _configuration(newest)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(in_force),
        changed,  # type: ignore[arg-type] # the stubs leave out that there may be nothing new
        require_client_authentication=authorities is not None,
    )


def _configuration(shown: Shown) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(shown.key, shown.certificate)], root_certificates=shown.authorities
    )


def read_shown(certificate: Path, key: Path, authorities: Path | None) -> Shown:
    """Read the files; raises OSError, or ValueError when they cannot serve, without a word of the key."""
    if readable_by_all(key):
        raise ValueError(f"{key} can be read by everybody on this machine: chmod 600 it")
    shown = Shown(certificate.read_bytes(), key.read_bytes(), None if authorities is None else authorities.read_bytes())
    try:
        certified = x509.load_pem_x509_certificates(shown.certificate)[0].public_key()
    except ValueError:
        raise ValueError(f"{certificate} holds no certificate in PEM") from None
    try:
        signing = load_pem_private_key(shown.key, None).public_key()
    except (ValueError, TypeError):
        raise ValueError(f"{key} holds no private key in PEM, or one that is encrypted") from None
    if _bits(certified) != _bits(signing):
        raise ValueError(f"{key} is not the key of {certificate}")
    if shown.authorities is not None:
        try:
            x509.load_pem_x509_certificates(shown.authorities)
        except ValueError:
            raise ValueError(f"{authorities} holds no certificates in PEM") from None
    return shown


def _bits(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
