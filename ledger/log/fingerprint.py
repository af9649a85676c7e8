"""What tells an atomic batch's content from any other's: a digest of its transfers as events, in their order."""

from collections.abc import Iterable
from hashlib import blake2b

from domain.command import FINGERPRINT_BYTES
from domain.transfer import CreateTransfer
from ledger.log.codec import encode


class BatchFingerprint:
    """Grows with each transfer, so that whoever has many can pause in between."""

    def __init__(self) -> None:
        self._digest = blake2b(b"create_transfers:", digest_size=FINGERPRINT_BYTES)

    def add(self, transfers: Iterable[CreateTransfer]) -> None:
        """Take in the next transfers."""
        for transfer in transfers:
            self._digest.update(transfer.request_id)
            self._digest.update(encode(transfer.posted()))

    def text(self) -> str:
        """Return the fingerprint of what was taken in so far, in hex."""
        return self._digest.hexdigest()
