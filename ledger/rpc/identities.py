"""By what callers are known, as the settings imply: the metadata, certificates, signed tokens, or either of these."""

from functools import partial

from domain.ports import Clock
from ledger.rpc.identity import CertificateIdentity, DevelopmentIdentity, Identity
from ledger.rpc.settings import RpcSettings
from ledger.rpc.token_identity import EitherIdentity, Terms, TokenIdentity
from ledger.rpc.token_keys import read_token_keys
from ledger.rpc.watched import Watched


def identity_of(settings: RpcSettings, clock: Clock) -> Identity:
    """Return what tells who is calling; raises OSError or ValueError when the issuer's keys cannot be read."""
    if settings.development:
        return DevelopmentIdentity()
    certificates = CertificateIdentity(settings.callers)
    if settings.token_keys_file is None:
        return certificates
    terms = Terms(
        settings.token_issuer, settings.token_audience, settings.token_leeway_seconds, settings.token_lifetime_seconds
    )
    keys = Watched((settings.token_keys_file,), partial(read_token_keys, settings.token_keys_file))
    tokens = TokenIdentity(keys, terms, clock, settings.callers)
    return tokens if settings.client_authorities_file is None else EitherIdentity(tokens, certificates)
