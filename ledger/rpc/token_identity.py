"""Callers who are known by a signed token: a JSON Web Token (RFC 7519) in the metadata ``authorization``.

The token says who calls (``sub``), in which ``role`` and for which ``participant``, and is believed because of who
signed it. Its algorithm is one of two with a public key, whatever its header asks for; it is of our issuer, meant for
us, valid now, and of no longer life than the settings allow. One that is bound to a certificate (``cnf``, RFC 8705)
counts over that certificate's connections only. Whatever is wrong, the caller is told the same; the log says what.
"""

import binascii
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from ssl import PEM_cert_to_DER_cert
from typing import Any, Final, NamedTuple

import structlog
from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry

from domain.forms import PARTICIPANT
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from domain.times import SECOND
from ledger.rpc.callers import Caller, KnownCaller, Role, fitting
from ledger.rpc.calls import Context
from ledger.rpc.identity import AUTHORIZATION, NAME, Identity, Metadata
from ledger.rpc.token_keys import TokenKey
from ledger.rpc.watched import Watched

SCHEME: Final = "bearer"
MAX_TOKEN: Final = 4_096
"""Characters of a token: what is longer is not looked at."""
_KEPT: Final = 10_000
"""Tokens that were checked and are remembered, so that the next call with one costs no signature."""
_TYPES: Final = frozenset({"JWT", "AT+JWT"})
_ROLES: Final = {role.value: role for role in Role if role is not Role.DEVELOPER}
_BOUND: Final = "x5t#S256"

log = structlog.get_logger("esep.rpc")


class Terms(NamedTuple):
    """What a token must say to be believed."""

    issuer: str
    audience: str
    leeway_seconds: int
    """How far the issuer's clock may be from ours."""
    lifetime_seconds: int
    """How long a token may be valid at most, from its issue to its end."""


_ALGORITHMS: Final = {"ES256": "ES256", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}
"""Those that a token may name. EdDSA, as most issuers call it still, is Ed25519 here and no other curve (RFC 9864)."""


class _Pinned(JWSRegistry):
    """Knows those algorithms alone."""

    def get_alg(self, name: str) -> Any:
        named = _ALGORITHMS.get(name)
        if named is None:
            raise UnsupportedAlgorithmError
        return self.algorithms[named]


class _Distrusted(Exception):
    """A token is not believed; the text is for the log, and holds nothing of the token."""


class _UnknownKey(_Distrusted):
    """It names no key that is known: perhaps one that has just come."""


class _Checked(NamedTuple):
    """A token that was believed, and how long it is."""

    caller: Caller
    ends: int
    bound_to: str
    """The certificate's thumbprint, empty for a token that is bound to none."""
    keys: Mapping[str, TokenKey]
    """With which it was checked: where those are replaced, it is checked anew."""


class TokenIdentity:
    """Believes tokens that an issuer signed.

    A name that the settings list is whom they say: a token that says otherwise of its role or participant is refused.
    """

    def __init__(
        self,
        keys: Watched[Mapping[str, TokenKey]],
        terms: Terms,
        clock: Clock,
        known: Mapping[str, KnownCaller],
    ) -> None:
        self._keys = keys
        self._terms = terms
        self._clock = clock
        self._known = known
        self._registry = _Pinned()
        self._kept: dict[bytes, _Checked] = {}

    def caller(self, context: Context, metadata: Metadata) -> Caller:
        """Return whom the token names; raises Refused(UNAUTHENTICATED) for one that is not believed, or for none."""
        try:
            checked = self._checked(_token(metadata))
            if checked.bound_to and checked.bound_to != _thumbprint(context):
                raise _Distrusted("bound to another certificate")
        except _Distrusted as distrusted:
            log.warning("token.refused", problem=str(distrusted))
            raise Refused(refuse(Reason.UNAUTHENTICATED)) from None
        return checked.caller

    def _checked(self, token: str) -> _Checked:
        keys, now = self._keys.current(), self._clock.now() // SECOND
        name = sha256(token.encode()).digest()
        kept = self._kept.get(name)
        if kept is not None and kept.keys is keys and now < kept.ends:
            return kept
        try:
            checked = self._check(token, keys, now)
        except _UnknownKey:
            checked = self._check(token, self._keys.newest(), now)
        if len(self._kept) >= _KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[name] = checked
        return checked

    def _check(self, token: str, keys: Mapping[str, TokenKey], now: int) -> _Checked:
        def key_of(signature: Any) -> TokenKey:
            header = signature.headers()
            key = keys.get(header["kid"]) if isinstance(header.get("kid"), str) else None
            if key is None:
                raise _UnknownKey("no such key")
            if str(header.get("typ", "JWT")).upper() not in _TYPES:
                raise _Distrusted("not the type of a token")
            return key

        terms = self._terms
        expected = jwt.JWTClaimsRegistry(
            now,
            terms.leeway_seconds,
            iss={"essential": True, "value": terms.issuer},
            aud={"essential": True, "value": terms.audience},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            claims = jwt.decode(token, key_of, list(_ALGORITHMS), self._registry).claims
            expected.validate(claims)
            life = claims["exp"] - claims["iat"]
        except JoseError as error:
            raise _Distrusted(error.error) from None
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError, binascii.Error):
            raise _Distrusted("not a token") from None
        if not 0 < life <= terms.lifetime_seconds:
            raise _Distrusted("too long a life")
        return _Checked(self._named(claims), int(claims["exp"]) + terms.leeway_seconds, _binding(claims), keys)

    def _named(self, claims: Mapping[str, Any]) -> Caller:
        name, role, participant = claims["sub"], _ROLES.get(str(claims.get("role"))), claims.get("participant", "")
        if not NAME.fullmatch(name):
            raise _Distrusted("a name that no caller has")
        if role is None:
            raise _Distrusted("no role")
        if not isinstance(participant, str) or (participant and not PARTICIPANT.fullmatch(participant)):
            raise _Distrusted("no participant")
        if not fitting(role, participant):
            raise _Distrusted("a role that does not go with the participant")
        known = self._known.get(name)
        if known is not None and (known.role, known.participant or "") != (role, participant):
            raise _Distrusted("not what the settings say of this name")
        return Caller(name, role, participant)


class EitherIdentity:
    """Takes the token of who shows one, and the certificate of anybody else."""

    def __init__(self, tokens: Identity, certificates: Identity) -> None:
        self._tokens = tokens
        self._certificates = certificates

    def caller(self, context: Context, metadata: Metadata) -> Caller:
        identity = self._tokens if AUTHORIZATION in metadata else self._certificates
        return identity.caller(context, metadata)


def _token(metadata: Metadata) -> str:
    given = metadata.get(AUTHORIZATION)
    if not isinstance(given, str):
        raise _Distrusted("none")
    scheme, _, token = given.partition(" ")
    if scheme.lower() != SCHEME or not token.isascii():
        raise _Distrusted("not a bearer's")
    if len(token) > MAX_TOKEN:
        raise _Distrusted("too long")
    return token


def _binding(claims: Mapping[str, Any]) -> str:
    """Return the certificate to which a token is bound; a binding that is not understood must not be passed over."""
    confirmation = claims.get("cnf")
    if confirmation is None:
        return ""
    bound = confirmation.get(_BOUND) if isinstance(confirmation, dict) and len(confirmation) == 1 else None
    if not isinstance(bound, str) or not bound:
        raise _Distrusted("bound to what is not known")
    return bound


def _thumbprint(context: Context) -> str:
    for certificate in context.auth_context().get("x509_pem_cert", ()):
        digest = sha256(PEM_cert_to_DER_cert(certificate.decode("ascii"))).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
    return ""
