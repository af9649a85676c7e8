"""The public keys with which an issuer's tokens are checked: a JWK Set (RFC 7517) in a file.

Two kinds of keys count, elliptic curve P-256 and Ed25519, each with an id of its own; those of other kinds, or for
encryption, are passed over, as the standard asks. A secret has no business in the file and stops its reading: with it
whoever reads the file could sign, and a shared secret could be mistaken for a public key.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

TokenKey = ECKey | OKPKey
_MAX_BYTES: Final = 1 << 20
_SECRETS: Final = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth"})
"""Members of a JWK that hold what is secret (RFC 7518, section 6)."""
_KINDS: Final[dict[tuple[str, str], tuple[type[TokenKey], frozenset[str]]]] = {
    ("EC", "P-256"): (ECKey, frozenset({"ES256"})),
    ("OKP", "Ed25519"): (OKPKey, frozenset({"EdDSA", "Ed25519"})),
}
"""By type and curve: how a key is made, and the algorithms that it may be meant for."""


def read_token_keys(file: Path) -> Mapping[str, TokenKey]:
    """Return an issuer's keys by their ids; raises OSError, or ValueError without a word of the content."""
    data = file.read_bytes()
    if len(data) > _MAX_BYTES:
        raise ValueError(f"{file} is too large for a set of keys")
    try:
        listed = json.loads(data)["keys"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{file} holds no JWK Set") from None
    keys: dict[str, TokenKey] = {}
    for number, each in enumerate(listed if isinstance(listed, list) else [None]):
        if not isinstance(each, dict):
            raise ValueError(f"{file}: key {number} is no JWK")  # noqa: TRY004 - of the file, not of a caller
        if _SECRETS & each.keys():
            raise ValueError(f"{file}: key {number} is secret, and only public keys belong here")
        key = _key(each, f"{file}: key {number}")
        if key is None:
            continue
        name = each["kid"]
        if name in keys:
            raise ValueError(f"{file}: key {number} has the kid of another one")
        keys[name] = key
    if not keys:
        raise ValueError(f"{file} holds no key for ES256 or EdDSA")
    return keys


def _key(given: dict[str, Any], where: str) -> TokenKey | None:
    kind = _KINDS.get((str(given.get("kty")), str(given.get("crv"))))
    if kind is None or given.get("use", "sig") != "sig":
        return None
    make, algorithms = kind
    if given.get("alg") not in (None, *algorithms):
        raise ValueError(f"{where} is meant for an algorithm that its curve is not for")
    if not isinstance(given.get("kid"), str) or not given["kid"]:
        raise ValueError(f"{where} has no kid")
    try:
        # Only what makes the key: what it is used for is decided here, not by the file.
        return make.import_key({name: given[name] for name in ("kty", "crv", "x", "y") if name in given})
    except (JoseError, ValueError, TypeError, KeyError):
        raise ValueError(f"{where} is no point of its curve") from None
