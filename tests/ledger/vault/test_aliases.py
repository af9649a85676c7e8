"""Phone numbers in the vault: each leads to a random id, in clear nowhere, and to nobody once it is erased."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import select

from domain.alias import AliasLinked, AliasUnlinked
from domain.credentials import Verdict
from domain.customer import ERASED, CustomerErased, CustomerRegistered
from domain.event import Event
from domain.ports import Row
from ledger.log.codec import encode
from ledger.vault.cipher import Place
from ledger.vault.errors import VaultBroken
from ledger.vault.schema import aliases
from ledger.vault.sweep import GRACE, sweep
from ledger.vault.vault import Vault
from ledger.vault.verifiers import ALIAS_CODE, ALIAS_CODES_SENT, Rule
from tests.ledger.vault.test_vault import ANA, BEK, reserve

NOW = 1_790_000_000_000_000
PHONE, OTHER = "+996700123456", "+996555123456"
LATER = NOW + GRACE + 1


class Lives:
    """A log that holds what it is told about some aggregates."""

    def __init__(self, **_: object) -> None:
        self._rows: dict[bytes, list[Row]] = {}

    def add(self, aggregate_id: bytes, *events: Event) -> "Lives":
        """Let an aggregate have these events."""
        self._rows[aggregate_id] = [
            Row(0, version, aggregate_id, version, event.TOPIC, encode(event), NOW, None, "")
            for version, event in enumerate(events, start=1)
        ]
        return self

    def aggregate(self, partition: int, originator_id: bytes, *, upto_version: int | None = None) -> list[Row]:
        return self._rows.get(originator_id, [])

    def head(self, partition: int) -> int:
        raise NotImplementedError

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        raise NotImplementedError

    def find(self, partition: int, ids: object) -> dict[bytes, int]:
        raise NotImplementedError


def linked(customer: bytes) -> AliasLinked:
    return AliasLinked(customer=UUID(bytes=customer), card=UUID(int=1), phone=b"sealed")


def test_a_number_has_one_random_id(vault: Vault) -> None:
    """However often and by however many it is asked for at once; another number has another one."""
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda _: vault.aliases.reserve(PHONE, NOW), range(8)))
    assert found == {vault.aliases.find(PHONE)}
    assert vault.aliases.find(OTHER) is None
    assert vault.aliases.reserve(OTHER, NOW) not in found


def test_a_number_stands_nowhere_in_clear(vault: Vault) -> None:
    """Neither it nor the end of it is in any row."""
    vault.aliases.reserve(PHONE, NOW)
    with vault._engine.begin() as connection:
        row = connection.execute(select(aliases)).one()
    assert PHONE[-6:].encode() not in bytes(row.hash) + bytes(row.alias_id)


def test_a_text_is_sealed_under_its_customers_key(vault: Vault) -> None:
    """It opens for that customer, in its place, until the key is destroyed."""
    reserve(vault, ANA)
    place = Place(b"a" * 16, AliasLinked.TOPIC, "phone")
    sealed = vault.seal(ANA, place, PHONE)
    assert vault.unseal(ANA, place, sealed) == PHONE
    with pytest.raises(VaultBroken):
        vault.unseal(ANA, place._replace(aggregate_id=b"b" * 16), sealed)
    vault.destroy(ANA, NOW)
    assert vault.unseal(ANA, place, sealed) == ERASED
    assert vault.seal(ANA, place, PHONE) == b""


def test_erasing_a_customer_gives_up_the_numbers_that_lead_there(vault: Vault) -> None:
    """Only those: a number that moved to somebody else, or is about to, stays."""
    reserve(vault, ANA)
    for phone, customer in ((PHONE, ANA), (OTHER, BEK)):
        vault.aliases.settle(vault.aliases.reserve(phone, NOW), customer)
    moving = vault.aliases.reserve("+996777123456", NOW)
    vault.aliases.settle(moving, ANA)
    vault.aliases.reserve("+996777123456", NOW)
    assert len(vault.aliases.of(ANA)) == 2
    vault.destroy(ANA, NOW)
    assert vault.aliases.find(PHONE) is None
    assert vault.aliases.find(OTHER) is not None
    assert vault.aliases.of(ANA) == [moving]


@pytest.mark.parametrize("noted", [((ANA, NOW), (BEK, NOW + 1)), ((BEK, NOW + 1), (ANA, NOW))])
def test_two_who_link_a_number_at_once_leave_it_to_the_log(vault: Vault, noted: tuple[tuple[bytes, int], ...]) -> None:
    """Whoever notes it last, the number is the one's who linked it last, and outlives the other's erasure."""
    reserve(vault, ANA)
    alias_id = vault.aliases.reserve(PHONE, NOW)
    vault.aliases.reserve(PHONE, NOW + 1)
    for customer, reserved_at in noted:
        vault.aliases.settle(alias_id, customer, reserved_at)
    vault.destroy(ANA, NOW)
    assert vault.aliases.find(PHONE) == alias_id
    assert sweep(vault, Lives().add(alias_id, linked(ANA), linked(BEK)), 0, LATER + 1) > 0
    assert vault.aliases.of(BEK) == [alias_id]
    assert vault.aliases.due(LATER) == []


@pytest.mark.parametrize(
    ("events", "erased", "kept"),
    [
        ((), False, False),
        ((linked(ANA),), False, True),
        ((linked(BEK), linked(ANA), AliasUnlinked()), False, True),
        ((linked(ANA),), True, False),
    ],
)
def test_sweeping_asks_the_log_where_a_number_leads(
    vault: Vault, events: tuple[Event, ...], *, erased: bool, kept: bool
) -> None:
    """What was never linked, or leads to somebody erased, is given up; the rest is the last customer's."""
    alias_id = vault.aliases.reserve(PHONE, NOW)
    registered = CustomerRegistered(participant="bank-a", login=b"x", phone=b"y", confirm_by=NOW)
    log = Lives().add(alias_id, *events).add(ANA, registered, *([CustomerErased()] if erased else []))
    assert sweep(vault, log, 0, NOW + GRACE - 1) == 0
    assert vault.aliases.find(PHONE) == alias_id
    assert sweep(vault, log, 0, LATER) == 1
    assert vault.aliases.find(PHONE) == (alias_id if kept else None)
    assert vault.aliases.of(ANA) == ([alias_id] if kept else [])
    assert sweep(vault, log, 0, LATER) == 0


def test_a_number_that_is_being_linked_is_not_swept(vault: Vault) -> None:
    """Whoever begins again while the sweep looks at the log keeps the number."""
    alias_id = vault.aliases.reserve(PHONE, NOW)
    vault.aliases.reserve(PHONE, LATER)
    vault.aliases.forget(alias_id, LATER)
    assert vault.aliases.find(PHONE) == alias_id


def test_a_code_counts_for_its_number_only(vault: Vault) -> None:
    """The right digits with another number are wrong; with their own they are right, until their time is over."""
    reserve(vault, ANA)
    verifiers, rule = vault.verifiers, Rule(3)
    assert verifiers.put(ANA, ALIAS_CODE, verifiers.quick(ANA, f"{PHONE}123456"), NOW + 10)
    assert verifiers.try_code(ANA, f"{OTHER}123456", rule, NOW, ALIAS_CODE).verdict is Verdict.WRONG
    assert verifiers.try_code(ANA, f"{PHONE}123456", rule, NOW, ALIAS_CODE).verdict is Verdict.RIGHT
    assert verifiers.try_code(ANA, f"{PHONE}123456", rule, NOW + 10, ALIAS_CODE).verdict is Verdict.LAPSED
    verifiers.drop(ANA, ALIAS_CODE)
    assert verifiers.try_code(ANA, f"{PHONE}123456", rule, NOW, ALIAS_CODE).verdict is Verdict.ABSENT


def test_codes_are_sent_so_many_times_and_then_after_a_while(vault: Vault) -> None:
    """The fourth of three is refused until the lock is over; using one starts the count anew."""
    rule = Rule(3, 1_000)
    counted = [vault.verifiers.count(ANA, ALIAS_CODES_SENT, rule, NOW) for _ in range(4)]
    assert counted == [True, True, True, False]
    assert vault.verifiers.count(ANA, ALIAS_CODES_SENT, rule, NOW + 1_000)
    assert vault.verifiers.count(BEK, ALIAS_CODES_SENT, rule, NOW)
    vault.verifiers.drop(ANA, ALIAS_CODES_SENT)
    assert [vault.verifiers.count(ANA, ALIAS_CODES_SENT, rule, NOW) for _ in range(3)] == [True] * 3
