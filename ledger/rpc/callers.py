"""Who calls, in which role and for which participant.

A role says what kind of work a caller does; what it may call, and about whose accounts, stands in
``ledger.rpc.permissions``. Outside development every caller is listed in the settings under its certificate's name.
"""

from enum import StrEnum
from typing import Annotated, Final, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.command import ParticipantId


class Role(StrEnum):
    """What kind of work a caller does."""

    APP = "app"
    """The back end of a mobile application, acting for customers."""
    BANK = "bank"
    """A participant's own systems."""
    ATM = "atm"
    """A participant's host of cash machines."""
    POS = "pos"
    """A participant's host of points of sale."""
    AUDITOR = "auditor"
    """Reads the money's history; changes nothing and sees no personal data."""
    OPERATOR = "operator"
    """The scheme's own staff and systems."""
    DEVELOPER = "developer"
    """May do everything; only in development."""


OF_A_PARTICIPANT: Final = frozenset({Role.BANK, Role.ATM, Role.POS})
"""Roles that work for exactly one participant."""
OF_THE_SCHEME: Final = frozenset({Role.AUDITOR, Role.OPERATOR, Role.DEVELOPER})
"""Roles that work for none. An app may be of either kind."""


class Caller(msgspec.Struct, frozen=True):
    """Who calls. ``participant`` is empty for those who work for the scheme as a whole.

    ``customer`` is whom an app acts for in this call, where it says so.
    """

    name: str
    role: Role
    participant: str = ""
    customer: bytes | None = None


ITSELF: Final = Caller("esep", Role.OPERATOR)
"""The ledger, as the caller of what it does by itself."""


class KnownCaller(BaseModel):
    """What the settings say of one caller."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    participant: ParticipantId | None = None
    calls_per_second: Annotated[float, Field(ge=0)] | None = None
    """How often it may call, where that differs from what others may; 0 for as often as it likes."""

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.role is Role.DEVELOPER:
            raise ValueError("the role developer is for development only")
        if not fitting(self.role, self.participant or ""):
            raise ValueError(f"the role {self.role} {_DEMANDS[self.role in OF_A_PARTICIPANT]}")
        return self


_DEMANDS: Final = {True: "needs a participant", False: "works for no participant"}


def fitting(role: Role, participant: str) -> bool:
    """Tell whether a role may come with this participant, or with none."""
    if role in OF_A_PARTICIPANT:
        return bool(participant)
    return not participant or role is Role.APP
