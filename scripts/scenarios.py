"""Scenarios that card processors publish, read from a file and checked before anything is played.

A file is JSON: scenarios with steps, each step an operation with the available balance after it, or the reason it
must be refused with. Fields that a step does not know are refused: a check that is misspelt would never be made.
"""

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec

from domain.refusals import Reason

Tyiyn = Annotated[int, msgspec.Meta(ge=1, le=10**15)]
Parts = dict[str, Tyiyn]


class ScenarioError(Exception):
    """A file cannot be played; the message names the file, the scenario and the step."""


class Step(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="op"):
    """What any step may say besides its own fields."""

    available: int | None = None
    """The available balance after the step."""
    error: str | None = None
    """The reason, in lower case, with which the step must be refused; it then moves nothing."""
    note: str = ""
    source: str = ""

    @property
    def op(self) -> str:
        """The name of the operation."""
        return str(self.__struct_config__.tag)


class Authorize(Step, tag="authorize"):
    """Hold ``amount``; ``requested`` is what the acquirer asked, ``parts`` what the amount is made of."""

    auth: str
    amount: Tyiyn
    requested: Tyiyn | None = None
    parts: Parts = {}


class Increment(Step, tag="increment"):
    """Hold ``delta`` more."""

    auth: str
    delta: Tyiyn


class Replace(Step, tag="replace"):
    """Hold ``total`` instead."""

    auth: str
    total: Tyiyn


class PartialReverse(Step, tag="partial_reverse"):
    """Release ``amount`` of the hold."""

    auth: str
    amount: Tyiyn


class Reverse(Step, tag="reverse"):
    """Release the hold."""

    auth: str


class Capture(Step, tag="capture"):
    """Post ``amount`` against the hold, under a new clearing reference."""

    auth: str
    amount: Tyiyn
    final: bool
    parts: Parts = {}


class Expire(Step, tag="expire"):
    """Let time pass to just after the expiry."""

    auth: str


class ForcePost(Step, tag="force_post"):
    """Post ``amount`` without an authorisation, under a new clearing reference."""

    amount: Tyiyn


class RefundAuth(Step, tag="refund_auth"):
    """Announce a refund, of an authorisation or of none."""

    amount: Tyiyn
    auth: str | None = None


class Refund(Step, tag="refund"):
    """Post ``amount`` back, linked to the authorisation."""

    auth: str
    amount: Tyiyn


class Credit(Step, tag="credit"):
    """Post a merchant's credit, linked to nothing."""

    amount: Tyiyn


class SettlementNotice(Step, tag="settlement_notice"):
    """Tell that what was posted last has settled."""

    amount: Tyiyn


class BalanceInquiry(Step, tag="balance_inquiry"):
    """Only ask."""


class AdvanceDays(Step, tag="advance_days"):
    """Let days pass."""

    days: Annotated[int, msgspec.Meta(ge=0, le=3650)]


AnyStep = (
    Authorize
    | Increment
    | Replace
    | PartialReverse
    | Reverse
    | Capture
    | Expire
    | ForcePost
    | RefundAuth
    | Refund
    | Credit
    | SettlementNotice
    | BalanceInquiry
    | AdvanceDays
)


class Scenario(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A customer's account with money in it, and what happens to it."""

    FIRST_STEP: ClassVar[int] = 1

    id: Annotated[str, msgspec.Meta(min_length=1)]
    title: str = ""
    source: str = ""
    note: str = ""
    opening_posted: Annotated[int, msgspec.Meta(ge=0, le=10**15)] = 0
    steps: list[AnyStep]


def read_scenarios(path: Path) -> list[Scenario]:
    """Return the scenarios of a file; raises ScenarioError."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ScenarioError(f"{path}: is not JSON: {error}") from None
    scenarios = content.get("scenarios") if isinstance(content, dict) else None
    if not isinstance(scenarios, list):
        raise ScenarioError(f'{path}: has no list "scenarios" at its top')
    read = [_scenario(raw, f"{path}: scenario {number}") for number, raw in enumerate(scenarios, Scenario.FIRST_STEP)]
    ids = [scenario.id for scenario in read]
    for twice in {known for known in ids if ids.count(known) > 1}:
        raise ScenarioError(f"{path}: scenario {twice}: stands there more than once")
    return read


def _scenario(raw: Any, where: str) -> Scenario:
    if isinstance(raw, dict) and isinstance(raw.get("id"), str):
        where = f"{where} ({raw['id']})"
    steps = raw.get("steps") if isinstance(raw, dict) else None
    if isinstance(steps, list):
        for number, step in enumerate(steps, Scenario.FIRST_STEP):
            _check(step, f"{where}, step {number}")
    scenario: Scenario = _convert(raw, Scenario, where)
    return scenario


def _check(raw: Any, where: str) -> None:
    if isinstance(raw, dict) and isinstance(raw.get("op"), str):
        where = f"{where} ({raw['op']})"
    step: AnyStep = _convert(raw, AnyStep, where)
    if step.error is not None and step.error.upper() not in Reason.__members__:
        raise ScenarioError(f"{where}: error {step.error!r} is the name of no reason")
    if isinstance(step, Authorize | Capture) and step.parts and sum(step.parts.values()) != step.amount:
        raise ScenarioError(f"{where}: the parts add up to {sum(step.parts.values())}, the amount is {step.amount}")


def _convert(raw: Any, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{where}: {str(error).replace('`', chr(39))}") from None
