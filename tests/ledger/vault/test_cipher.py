"""One field of one event, encrypted: it opens with its own key, in its own place, and nowhere else."""

import pytest

from ledger.vault.cipher import DataKey, Place, seal, unseal
from ledger.vault.errors import VaultBroken

KEY = DataKey(b"k" * 16, b"s" * 32)
PLACE = Place(b"a" * 16, "customer.registered.v1", "phone")


@pytest.mark.parametrize("text", ["+996700123456", "Айзада", ""])
def test_it_opens_in_its_own_place(text: str) -> None:
    """Whatever was sealed for a place comes back there."""
    assert unseal(KEY, PLACE, seal(KEY, PLACE, text)) == text


@pytest.mark.parametrize(
    "place",
    [
        PLACE._replace(aggregate_id=b"b" * 16),
        PLACE._replace(topic="customer.registered.v2"),
        PLACE._replace(field="login"),
    ],
)
def test_it_opens_in_no_other_place(place: Place) -> None:
    """Even under the same key, aggregate, topic and field must all be its own."""
    with pytest.raises(VaultBroken):
        unseal(KEY, place, seal(KEY, PLACE, "+996700123456"))


@pytest.mark.parametrize("key", [KEY._replace(key_id=b"l" * 16), KEY._replace(key=b"t" * 32)])
def test_it_opens_with_no_other_key(key: DataKey) -> None:
    """The key's id is checked before it is tried, and the key by the tag."""
    with pytest.raises(VaultBroken):
        unseal(key, PLACE, seal(KEY, PLACE, "+996700123456"))
