"""The vault: personal data that only its own key reads, in its own place; names that are one customer's."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import msgspec
import pytest
from sqlalchemy import select, update

from domain.credentials import Verdict
from domain.customer import CustomerConfirmed, CustomerErased, CustomerRegistered, Sealed, Taken
from domain.ports import Row
from ledger.vault.errors import KeysRefused, VaultBroken
from ledger.vault.keys import HeldKeys
from ledger.vault.schema import keys, names, verifiers
from ledger.vault.sweep import GRACE, sweep
from ledger.vault.vault import Personal, Secrets, Vault
from ledger.vault.verifiers import PASSWORD, PIN, Rule, Tried
from tests.ledger.vault.conftest import FIRST, HASHES, SECOND, OpenVault

ANA, BEK = b"a" * 16, b"b" * 16
NOW = 1_790_000_000_000_000
LAPSES = NOW + 600_000_000
PERSON = Personal("aizada", "+996700123456", "Айзада Үсөнова")
TOPIC = CustomerRegistered.TOPIC
FIVE = Rule(5)
ROTATED = HeldKeys({"1": FIRST, "2": SECOND}, "2", HASHES)


def reserve(vault: Vault, customer: bytes = ANA, person: Personal = PERSON, now: int = NOW) -> Sealed | Taken:
    secrets = Secrets(vault.verifiers.slow("password1"), vault.verifiers.quick(customer, "123456"), now + 600_000_000)
    return vault.reserve(customer, TOPIC, vault.content("bank-a", person), person, secrets, now)


def sealed(vault: Vault, customer: bytes = ANA, person: Personal = PERSON) -> Sealed:
    reserved = reserve(vault, customer, person)
    assert isinstance(reserved, Sealed)
    return reserved


def rows(vault: Vault) -> list[bytes]:
    """Return every value of bytes that the vault keeps."""
    with vault._engine.begin() as connection:
        found = [row for table in (keys, names, verifiers) for row in connection.execute(select(table))]
    return [bytes(value) for row in found for value in row if isinstance(value, bytes | memoryview)]


class Life:
    """A log that knows only the topics of one customer's events."""

    def __init__(self, *topics: str) -> None:
        self._topics = topics

    def head(self, partition: int) -> int:
        return len(self._topics)

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        return self.aggregate(partition, ANA)[after : after + limit]

    def aggregate(self, partition: int, originator_id: bytes, *, upto_version: int | None = None) -> list[Row]:
        return [
            Row(partition, version, originator_id, version, topic, b"", NOW, None, "")
            for version, topic in enumerate(self._topics, start=1)
        ]

    def find(self, partition: int, ids: Sequence[bytes]) -> dict[bytes, int]:
        return {}


def test_what_is_sealed_is_read_again(vault: Vault) -> None:
    """Personal data comes back as it was, also a field that was left empty."""
    assert vault.read(ANA, TOPIC, sealed(vault)) == PERSON
    nameless = Personal("bektur", "+996700000001")
    assert vault.read(BEK, TOPIC, sealed(vault, BEK, nameless)) == nameless


def test_nothing_is_kept_in_clear(vault: Vault) -> None:
    """Neither personal data nor a secret stands in any row, and none is in what the event will hold."""
    reserved = sealed(vault)
    kept = b"\n".join([*rows(vault), reserved.login, reserved.phone, reserved.name])
    for clear in (*PERSON, "password1", "123456", "996700123456"):
        assert clear.encode() not in kept


def test_the_same_text_is_never_sealed_the_same(vault: Vault) -> None:
    """Equal data cannot be told from different data by its ciphertext."""
    assert sealed(vault).phone != sealed(vault).phone


@pytest.mark.parametrize("at", range(0, 65, 4))
def test_every_byte_of_a_ciphertext_counts(vault: Vault, at: int) -> None:
    """A changed format, key id, nonce, ciphertext or tag is noticed."""
    reserved = sealed(vault)
    damaged = bytearray(reserved.name)
    damaged[at % len(damaged)] ^= 1
    with pytest.raises(VaultBroken):
        vault.read(ANA, TOPIC, msgspec.structs.replace(reserved, name=bytes(damaged)))


@pytest.mark.parametrize("size", [1, 16, 17, 28, 29, 44])
def test_a_cut_ciphertext_is_noticed(vault: Vault, size: int) -> None:
    """A ciphertext that lost its end reads as damaged, not as something shorter."""
    reserved = sealed(vault)
    with pytest.raises(VaultBroken):
        vault.read(ANA, TOPIC, msgspec.structs.replace(reserved, phone=reserved.phone[:size]))


def test_ciphertexts_do_not_change_places(vault: Vault) -> None:
    """A field's ciphertext opens neither in another field, nor in another event, nor for another customer."""
    ana, bek = sealed(vault), sealed(vault, BEK, Personal("bektur", "+996700000001", "Бектур"))
    with pytest.raises(VaultBroken):
        vault.read(ANA, TOPIC, Sealed(ana.phone, ana.login, ana.name))
    with pytest.raises(VaultBroken):
        vault.read(ANA, "customer.registered.v2", ana)
    with pytest.raises(VaultBroken):
        vault.read(ANA, TOPIC, msgspec.structs.replace(ana, phone=bek.phone))
    with pytest.raises(VaultBroken):
        vault.read(BEK, TOPIC, ana)


def test_a_wrapped_key_does_not_change_hands(vault: Vault) -> None:
    """Another customer's wrapped key in the place of one's own is noticed."""
    ana = sealed(vault)
    sealed(vault, BEK, Personal("bektur", "+996700000001"))
    with vault._engine.begin() as connection:
        theirs = connection.execute(select(keys.c.wrapped).where(keys.c.customer_id == BEK)).scalar_one()
        connection.execute(update(keys).where(keys.c.customer_id == ANA).values(wrapped=theirs))
    with pytest.raises(VaultBroken):
        vault.read(ANA, TOPIC, ana)


def test_another_master_key_reads_nothing(open_vault: OpenVault) -> None:
    """Under a wrong or a missing master key personal data is unreadable."""
    reserved = sealed(open_vault())
    for wrong in (HeldKeys({"1": SECOND}, "1", HASHES), HeldKeys({"2": FIRST}, "2", HASHES)):
        with pytest.raises(VaultBroken):
            open_vault(wrong).read(ANA, TOPIC, reserved)


def test_another_key_of_hashes_is_refused_at_once(open_vault: OpenVault) -> None:
    """With another key no login would be found, and every one be free: such a vault does not open."""
    open_vault()
    with pytest.raises(KeysRefused):
        open_vault(HeldKeys({"1": FIRST}, "1", SECOND))


def test_rotation_wraps_every_key_anew_and_touches_no_ciphertext(open_vault: OpenVault) -> None:
    """After rotation the old master key is needed no more, and everything reads as before."""
    people = {bytes([n]) * 16: Personal(f"user{n}", f"+99670000000{n}") for n in range(1, 6)}
    before = {customer: sealed(open_vault(), customer, person) for customer, person in people.items()}
    rotating = open_vault(ROTATED)
    assert [rotating.rewrap(limit=3) for _ in range(3)] == [3, 2, 0]
    after = open_vault(HeldKeys({"2": SECOND}, "2", HASHES))
    assert {customer: after.read(customer, TOPIC, before[customer]) for customer in people} == people


def test_a_destroyed_key_leaves_nothing_to_read(vault: Vault) -> None:
    """Erasing makes personal data unreadable for good, removes what verified, frees the names; twice is harmless."""
    reserved = sealed(vault)
    for _ in range(2):
        vault.destroy(ANA, NOW + 1)
        assert vault.read(ANA, TOPIC, reserved) == Personal("[erased]", "[erased]", "[erased]")
    assert vault.find(Taken.PHONE, PERSON.phone) is None
    assert vault.verifiers.try_slow(ANA, PASSWORD, "password1", FIVE, NOW) == Tried(Verdict.ABSENT)
    assert not vault.verifiers.put(ANA, PIN, b"late")
    assert isinstance(reserve(vault, BEK), Sealed)
    assert vault.read(ANA, TOPIC, reserved).phone == "[erased]"


@pytest.mark.parametrize(
    ("person", "taken"),
    [(Personal("aizada", "+996700000001"), Taken.LOGIN), (Personal("bektur", PERSON.phone), Taken.PHONE)],
)
def test_a_name_is_one_customers(vault: Vault, person: Personal, taken: Taken) -> None:
    """A taken login or phone number is told, and nothing of the second registration is kept."""
    sealed(vault)
    before = rows(vault)
    assert reserve(vault, BEK, person) is taken
    assert sorted(rows(vault)) == sorted(before)


def test_names_are_free_when_their_time_is_over(vault: Vault) -> None:
    """A registration that lapsed holds no name; one that was confirmed holds it for good."""
    sealed(vault)
    assert reserve(vault, BEK, now=LAPSES - 1) is Taken.LOGIN
    assert isinstance(reserve(vault, BEK, now=LAPSES), Sealed)
    assert not vault.hold_names(ANA)
    assert vault.hold_names(BEK)
    assert reserve(vault, ANA, now=LAPSES * 2) is Taken.LOGIN


def test_the_same_registration_is_known_again(vault: Vault) -> None:
    """What was reserved is told from other content; of what was never reserved nothing is known."""
    sealed(vault)
    assert vault.same_content(ANA, vault.content("bank-a", PERSON))
    assert not vault.same_content(ANA, vault.content("bank-b", PERSON))
    assert not vault.same_content(ANA, vault.content("bank-a", PERSON._replace(phone="+996700000001")))
    assert vault.same_content(BEK, vault.content("bank-b", PERSON))


def test_a_master_key_says_which_one_it_is(vault: Vault) -> None:
    """Every wrapped key names its master key, and every ciphertext its data key."""
    reserved = sealed(vault)
    with vault._engine.begin() as connection:
        row = connection.execute(select(keys)).one()
    assert row.master_key_id == "1"
    assert all(field[1:17] == bytes(row.key_id) for field in (reserved.login, reserved.phone, reserved.name))


@pytest.mark.parametrize(
    ("topics", "found", "personal"),
    [
        ((), None, "[erased]"),
        (("command.declined.v1",), None, "[erased]"),
        ((TOPIC,), None, PERSON.phone),
        ((TOPIC, CustomerConfirmed.TOPIC), ANA, PERSON.phone),
        ((TOPIC, CustomerConfirmed.TOPIC, CustomerErased.TOPIC), None, "[erased]"),
    ],
)
def test_sweeping_brings_the_vault_into_step_with_the_log(
    vault: Vault, topics: tuple[str, ...], found: bytes | None, personal: str
) -> None:
    """Orphans are forgotten, erasures finished, lapsed registrations let go, confirmed ones held: once, not early."""
    reserved = sealed(vault)
    log = Life(*topics)
    assert sweep(vault, log, 0, NOW + GRACE) == 0
    assert sweep(vault, log, 0, NOW + GRACE + 1) == 1
    assert vault.find(Taken.PHONE, PERSON.phone) == found
    assert vault.read(ANA, TOPIC, reserved).phone == personal
    assert sweep(vault, log, 0, NOW + GRACE * 2) == 0


def test_a_registration_that_is_reserved_again_is_not_swept(vault: Vault) -> None:
    """One that is tried again after an hour is under way, whatever the sweep has read just before."""
    sealed(vault)
    assert vault.unsettled(NOW + 1) == [ANA]
    again = reserve(vault, now=NOW + GRACE + 1)
    assert isinstance(again, Sealed)
    vault.forget(ANA, NOW + 1)
    assert vault.read(ANA, TOPIC, again) == PERSON
    assert vault.find(Taken.PHONE, PERSON.phone) == ANA
    assert sweep(vault, Life(), 0, NOW + GRACE + 2) == 0


@pytest.mark.parametrize("erased", [True, False])
def test_an_interrupted_erasure_is_settled_by_the_log(vault: Vault, erased: bool) -> None:  # noqa: FBT001
    """An erasure that the log records is finished; one that it does not know never happened."""
    reserved = sealed(vault)
    vault.settle(ANA, NOW, confirmed=True)
    vault.begin_erasing(ANA, NOW)
    topics = (TOPIC, CustomerConfirmed.TOPIC, *([CustomerErased.TOPIC] if erased else []))
    assert sweep(vault, Life(*topics), 0, NOW + GRACE + 1) == 1
    assert vault.read(ANA, TOPIC, reserved).phone == ("[erased]" if erased else PERSON.phone)
    assert vault.find(Taken.PHONE, PERSON.phone) == (None if erased else ANA)
    assert sweep(vault, Life(*topics), 0, NOW + GRACE * 2) == 0


def test_misses_lock_and_a_right_try_forgets_them(vault: Vault) -> None:
    """Tries count down to the lock; after it the right secret is not compared; a new verifier starts anew."""
    sealed(vault)
    own = vault.verifiers
    assert own.try_slow(ANA, PASSWORD, "wrong", FIVE, NOW) == Tried(Verdict.WRONG, 4)
    assert own.try_slow(ANA, PASSWORD, "password1", FIVE, NOW) == Tried(Verdict.RIGHT, 5)
    left = [own.try_slow(ANA, PASSWORD, "wrong", FIVE, NOW).tries_left for _ in range(5)]
    assert all(before - after == 1 for before, after in pairwise([5, *left]))
    assert own.try_slow(ANA, PASSWORD, "password1", FIVE, NOW) == Tried(Verdict.LOCKED)
    assert own.put(ANA, PASSWORD, own.slow("password2"))
    assert own.try_slow(ANA, PASSWORD, "password2", FIVE, NOW) == Tried(Verdict.RIGHT, 5)


def test_a_lock_with_an_end_is_lifted_then(vault: Vault) -> None:
    """A lock lasts exactly as long as the rule says, and the misses count anew after it."""
    sealed(vault)
    own, rule = vault.verifiers, Rule(2, lock=100)
    for left in (1, 0):
        assert own.try_slow(ANA, PASSWORD, "wrong", rule, NOW) == Tried(Verdict.WRONG, left)
    assert own.try_slow(ANA, PASSWORD, "password1", rule, NOW + 99) == Tried(Verdict.LOCKED)
    assert own.try_slow(ANA, PASSWORD, "wrong", rule, NOW + 100) == Tried(Verdict.WRONG, 1)
    assert own.try_slow(ANA, PASSWORD, "password1", rule, NOW + 100) == Tried(Verdict.RIGHT, 2)


def test_a_code_is_one_customers_and_lapses(vault: Vault) -> None:
    """A code is right for its own customer, until the instant its time is over."""
    sealed(vault)
    own = vault.verifiers
    assert own.quick(ANA, "123456") != own.quick(BEK, "123456")
    assert own.try_code(BEK, "123456", FIVE, NOW) == Tried(Verdict.ABSENT)
    assert own.try_code(ANA, "654321", FIVE, NOW) == Tried(Verdict.WRONG, 4)
    assert own.try_code(ANA, "123456", FIVE, LAPSES - 1) == Tried(Verdict.RIGHT, 5)
    assert own.try_code(ANA, "123456", FIVE, LAPSES) == Tried(Verdict.LAPSED)


def test_slow_verifiers_are_argon2id_and_salted(vault: Vault) -> None:
    """Two verifiers of one password differ, and say that they are Argon2id; a code's is a keyed hash."""
    own = vault.verifiers
    assert own.slow("password1").startswith(b"$argon2id$")
    assert own.slow("password1") != own.slow("password1")
    assert len(own.quick(ANA, "123456")) == 32


def test_many_tries_at_once_are_no_more_than_one_after_another(vault: Vault) -> None:
    """However many guesses arrive together, only as many as the rule allows are compared."""
    sealed(vault)
    with ThreadPoolExecutor(8) as threads:
        tried = list(threads.map(lambda _: vault.verifiers.try_code(ANA, "000000", FIVE, NOW).verdict, range(24)))
    assert tried.count(Verdict.WRONG) == 5
    assert tried.count(Verdict.LOCKED) == 19


PAYMENT = b"p" * 16
PLACE = (PAYMENT, "payment.prepared.v1")
ENTERED = {"account": "123456", "_beneficiary": "Айбек К."}


def test_what_a_payer_entered_is_read_in_its_place_only(vault: Vault) -> None:
    """Under the payer's key, the payment, the event and the field; nothing of it is kept or shown in clear."""
    sealed(vault)
    fields = vault.seal_fields(ANA, PLACE, {**ENTERED, "reading": ""})
    assert set(fields) == set(ENTERED)
    assert vault.read_fields(ANA, PLACE, fields) == ENTERED
    assert not any(
        entered.encode() in bytes(each) for entered in ENTERED.values() for each in (*fields.values(), *rows(vault))
    )
    for place in ((b"q" * 16, PLACE[1]), (PAYMENT, TOPIC)):
        with pytest.raises(VaultBroken):
            vault.read_fields(ANA, place, fields)
    with pytest.raises(VaultBroken):
        vault.read_fields(ANA, PLACE, {"account": fields["_beneficiary"]})


def test_an_erased_payers_fields_are_erased(vault: Vault) -> None:
    """Nothing more is encrypted for whoever has no key, and what was reads as erased."""
    assert vault.seal_fields(ANA, PLACE, ENTERED) == {}
    sealed(vault)
    fields = vault.seal_fields(ANA, PLACE, ENTERED)
    assert set(fields) == set(ENTERED)
    vault.destroy(ANA, NOW)
    assert vault.read_fields(ANA, PLACE, fields) == dict.fromkeys(ENTERED, "[erased]")
    assert vault.seal_fields(ANA, PLACE, ENTERED) == {}
    assert vault.read_fields(ANA, PLACE, {}) == {}
