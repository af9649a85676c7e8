"""An issuer of signed tokens, and of every kind of forged ones, for tests."""

import json
from base64 import urlsafe_b64encode
from hmac import digest
from pathlib import Path
from time import time
from typing import Any, Final
from warnings import catch_warnings

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey

ISSUER: Final = "https://tokens.scheme.example"
AUDIENCE: Final = "esep.example"
Key = ECKey | OKPKey


class Issuer:
    """Signs tokens, and keeps the file of its public keys."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.keys: dict[str, Key] = {}
        self.add("first", OKPKey.generate_key("Ed25519"))

    @property
    def settings(self) -> dict[str, Any]:
        """What a server is told of this issuer."""
        return {"token_keys_file": self.file, "token_issuer": ISSUER, "token_audience": AUDIENCE}

    def add(self, kid: str, key: Key) -> None:
        """Begin to sign with another key as well."""
        self.keys[kid] = key
        self.publish()

    def withdraw(self, kid: str) -> None:
        """Sign no more with a key."""
        del self.keys[kid]
        self.publish()

    def publish(self, *others: dict[str, Any]) -> None:
        """Replace the file by one with the keys that there are, and others."""
        listed = [{**key.as_dict(private=False), "kid": kid} for kid, key in self.keys.items()]
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps({"keys": [*listed, *others]}))
        new.replace(self.file)

    def token(self, kid: str = "first", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token of bank A's, with claims as they are given; None leaves one out."""
        key = self.keys[kid]
        algorithm = "ES256" if isinstance(key, ECKey) else "Ed25519"
        head = {"alg": algorithm, "kid": kid, **(header or {})}
        with catch_warnings(action="ignore", category=SecurityWarning):  # EdDSA is an old name of Ed25519.
            return jwt.encode(without_nothing(head), claimed(**claims), key, ["ES256", "EdDSA", "Ed25519"])


def claimed(**claims: Any) -> dict[str, Any]:
    """Return the claims of a good token of bank A's, but for those that are given; None leaves one out."""
    now = int(time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "core.bank-a", "role": "bank", "participant": "bank-a"}
    return without_nothing({**good, "iat": now, "exp": now + 600, **claims})


def without_nothing(given: dict[str, Any]) -> dict[str, Any]:
    """Return what is given, but for what is None."""
    return {name: value for name, value in given.items() if value is not None}


def encoded(content: object) -> str:
    """Return a part of a token."""
    return _based(json.dumps(content).encode())


def _based(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def unsigned(**header: Any) -> str:
    """Return a token without a signature, whose header says so."""
    return f"{encoded({'alg': 'none', **header})}.{encoded(claimed())}."


def confused(key: Key, kid: str) -> str:
    """Return a token that takes the issuer's public key for a shared secret."""
    signed = f"{encoded({'alg': 'HS256', 'kid': kid})}.{encoded(claimed())}"
    return f"{signed}.{_based(digest(key.as_pem(private=False), signed.encode(), 'sha256'))}"


def critical(key: Key, kid: str) -> str:
    """Return a token, well signed, whose header demands what nobody understands."""
    signed = f"{encoded({'alg': 'Ed25519', 'kid': kid, 'crit': ['exp'], 'exp': 1})}.{encoded(claimed())}"
    signature: bytes = key.get_op_key("sign").sign(signed.encode())  # type: ignore[union-attr, call-arg] # an Ed25519 key
    return f"{signed}.{_based(signature)}"


def replaced(token: str, **claims: Any) -> str:
    """Return a token with other claims, under the signature of its own."""
    header, _, signature = token.split(".")
    return f"{header}.{encoded(claimed(**claims))}.{signature}"
