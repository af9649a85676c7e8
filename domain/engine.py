"""Events in which an engine speaks of itself, and the record of a refusal.

``EngineStarted`` is what proves everything before it: an engine that has appended it knows that the log up to
there will not change any more. ``CommandDeclined`` records the refusal of a command that creates nothing.
"""

from typing import Any, ClassVar
from uuid import UUID

import msgspec

from domain.event import Event, Policy
from domain.ids import claim_id


class EngineStarted(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An engine took over the partition. Epochs count from 1, without gaps.

    ``policy`` is what its decisions depend on beside state and rules, until the next engine starts.
    """

    TOPIC: ClassVar[str] = "engine.started.v1"

    epoch: int
    owner: str
    policy: Policy | None = None


class SnapshotTaken(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The decision state as at ``at`` was kept; ``digest`` is the SHA-256 of its bytes, in hex."""

    TOPIC: ClassVar[str] = "engine.snapshot_taken.v1"

    at: int
    digest: str
    size_bytes: int


class CommandDeclined(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A command was refused for good. It stands alone in the log, under the command's request id.

    ``inputs`` is what the decision read beside the state, the time and the policy: what was asked for, and what ports
    said, by the command's own field names. Secrets are not in it, nor personal data; whatever has its default is left
    out.
    """

    TOPIC: ClassVar[str] = "command.declined.v1"

    command: str
    reason: str
    detail: dict[str, str] = {}
    target: UUID | None = None
    fingerprint: str = ""
    inputs: dict[str, Any] = {}


class EngineLife(msgspec.Struct, frozen=True):
    """What the engine's own events tell of the partition's ownership."""

    version: int = 0
    epoch: int = 0
    owner: str = ""


ENGINE_ID = claim_id("engine", "life")
"""The aggregate in which each partition's engines speak of themselves."""
