"""What reads text or bytes from outside, each as a function that takes any bytes: it may refuse them, never fail.

The fuzzer that follows the covered lines (``tests.fuzz.parsers``) and the short run among the tests call the same ones.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, Final, Self

from joserfc.jwk import ECKey, OKPKey

from domain import ids, pan, phone, qr
from domain.refusals import Refused
from ledger.audit.signing.note import Note, Signature, VerifierKey
from ledger.cli.credit_file import read_lines
from ledger.cli.problems import ProblemError
from ledger.engine.clock import SystemClock
from ledger.rpc.identity import AUTHORIZATION
from ledger.rpc.paging import Pager
from ledger.rpc.token_identity import Terms, TokenIdentity
from ledger.rpc.token_keys import read_token_keys
from ledger.rpc.watched import Watched
from protos.esep.v1.account_service_pb2 import ListAccountsRequest
from tests.security.issuer import AUDIENCE, ISSUER, Issuer

Target = Callable[[bytes], object]
_PEER: Final[Any] = SimpleNamespace(auth_context=dict)


class Targets:
    """The targets by their names, and good input of each to begin with. A context manager: some read files."""

    def __init__(self) -> None:
        self._directory = TemporaryDirectory()
        root = Path(self._directory.name)
        self._file = root / "input"
        issuer = Issuer(root / "keys.json")
        issuer.add("second", ECKey.generate_key("P-256"))
        keys = Watched((issuer.file,), partial(read_token_keys, issuer.file))
        self._identity = TokenIdentity(keys, Terms(ISSUER, AUDIENCE, 30, 3_600), SystemClock(), {})
        self._pager = Pager(b"key")
        question = ListAccountsRequest(participant_id="bank-a")
        page = self._pager.token(question, 7)
        key = OKPKey.generate_key("Ed25519").as_bytes().decode()
        note = f"esep.kg/ledger/0\n7\nAAAA\n\n\N{EM DASH} esep.kg/ledger/0 {'A' * 92}\n"
        self.named: dict[str, tuple[Target, tuple[str, ...]]] = {
            "qr": (self._qr, (_ELQR, _EMV)),
            "phone": (self._phone, ("+996700123456", "0700 12 34 56")),
            "card": (self._card, ("9417000000000009", "12/39", "123")),
            "uuid": (self._uuid, ("018f3c1e-7c1a-7b3e-9d5e-0a1b2c3d4e5f",)),
            "note": (self._note, (note, f"esep.kg/ledger/0+0a1b2c3d+{'A' * 44}")),
            "page": (self._page, (page,)),
            "token": (self._token, (issuer.token(), issuer.token("second"), issuer.token(aud=["a", AUDIENCE]))),
            "keys": (self._keys, (issuer.file.read_text(), f'{{"keys": [{key}]}}')),
            "credits": (self._credits, ("line,account_number,amount,reference\n1,1080000000000001,45.50,x\n",)),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.cleanup()

    @staticmethod
    def _qr(data: bytes) -> None:
        qr.read(_text(data))

    @staticmethod
    def _phone(data: bytes) -> None:
        phone.normalise(_text(data))

    @staticmethod
    def _card(data: bytes) -> None:
        text = _text(data)
        pan.look_at(text)
        pan.read_expiry(text)
        pan.cvv_fits(text)

    @staticmethod
    def _uuid(data: bytes) -> None:
        _allowing(ValueError, ids.parse_uuid, _text(data))

    @staticmethod
    def _note(data: bytes) -> None:
        for parse in (Note.parse, Signature.parse, VerifierKey.parse):
            _allowing(ValueError, parse, _text(data))

    def _page(self, data: bytes) -> None:
        asked = ListAccountsRequest(participant_id="bank-a", page_token=_text(data))
        _allowing(Refused, self._pager.page, asked, int)

    def _token(self, data: bytes) -> None:
        _allowing(Refused, self._identity.caller, _PEER, {AUTHORIZATION: f"Bearer {_text(data)}"})

    def _keys(self, data: bytes) -> None:
        self._file.write_bytes(data)
        _allowing(ValueError, read_token_keys, self._file)

    def _credits(self, data: bytes) -> None:
        self._file.write_bytes(data)
        _allowing(ProblemError, read_lines, self._file, "bank-a")


def _allowing(refusal: type[Exception], read: Callable[..., object], *arguments: Any) -> None:
    with suppress(refusal):
        read(*arguments)


def _text(data: bytes) -> str:
    """Return text as it comes out of a message of the contract: UTF-8, whatever is in it."""
    return data.decode("utf-8", "ignore")


_ELQR: Final = "https://pay.payqr.kg/#000201010211320f0011p2p.elcart.kg52045812530341763040000"
_EMV: Final = "00020101021126100006esepkg5204581253034175802KG5902Ab6007Bishkek63041D3D"
