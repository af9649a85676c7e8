"""A PUSH after every success (row S21): payments and transfers as the application makes them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from protos.esep.v1 import notification_pb2 as pb
from scripts.demo_banks import BANKS, open_bank
from scripts.demo_server import ServerProcess
from scripts.story import paying, transferring
from scripts.story.plot import Cast, join
from scripts.story.scene import Scene
from scripts.voice import Voice

AMOUNT = 25_00


class Played(NamedTuple):
    """Two people whose cards are bound, and who are listened to."""

    scene: Scene
    cast: Cast


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    directory = tmp_path_factory.mktemp("pushes")
    with ServerProcess(directory) as server:
        server.start()
        with Scene(server.address, directory / "confirmation-codes", Voice.unheard()) as scene:
            cast = join(scene, {name: open_bank(scene.bank(name), scene.operator(), name) for name in BANKS})
            paying.open_businesses(scene, cast.shop)
            transferring.link_phone(scene, cast.friend)
            yield Played(scene, cast)
            cast.pushes.end()
            cast.friends_pushes.end()
        server.stop()


def bill(played: Played) -> str:
    """Pay a bill by its QR code; return what the payment is known by."""
    return paying.pay_bill(played.scene, played.cast.person, paying.bill(AMOUNT)).payment_id


def by_qr(played: Played) -> str:
    """Send money by the friend's QR code."""
    scene, cast = played
    link = transferring.own_code(scene, cast.friend)
    return transferring.send(scene, cast.person, cast.friend, AMOUNT, qr_text=link).transfer_id


def by_phone(played: Played) -> str:
    """Send money to the friend's phone number."""
    scene, cast = played
    number = cast.friend.phone_number
    return transferring.send(scene, cast.person, cast.friend, AMOUNT, phone_number=number).transfer_id


@pytest.mark.parametrize(
    ("pay", "kind", "title", "way"),
    [
        (bill, pb.NOTIFICATION_KIND_PAYMENT_MADE, "Төлөм аткарылды", "QR-коду боюнча төлөө"),
        (by_qr, pb.NOTIFICATION_KIND_TRANSFER_SENT, "Которуу аткарылды", "QR-коду боюнча акча которуу"),
        (by_phone, pb.NOTIFICATION_KIND_TRANSFER_SENT, "Которуу аткарылды", "Телефон номери боюнча которуу"),
    ],
)
def test_S21_a_push_follows_every_payment_and_transfer(
    played: Played, pay: Callable[[Played], str], kind: pb.NotificationKind.ValueType, title: str, way: str
) -> None:
    """After success the payer is told once: what, how much, in which way. Whoever is sent money is told too."""
    cast = played.cast
    source_id = pay(played)
    told = cast.pushes.hear(kind)
    assert (told.source_id, told.amount_tyiyn, told.account_id) == (source_id, AMOUNT, cast.person.account_id)
    assert told.text.startswith(f"{title}: -25,00 сом. ")
    assert way in told.text
    if kind == pb.NOTIFICATION_KIND_TRANSFER_SENT:
        got = cast.friends_pushes.hear(pb.NOTIFICATION_KIND_MONEY_IN)
        assert (got.source_id, got.amount_tyiyn, got.account_id) == (source_id, AMOUNT, cast.friend.account_id)
    success = [each for each in cast.pushes.told if (each.source_id, each.kind) == (source_id, kind)]
    assert success == [told]


def test_S21_what_is_refused_is_not_told(played: Played) -> None:
    """A push says success: a bill that is paid already makes none, and the next thing told is the next success."""
    scene, cast = played
    code = paying.bill(AMOUNT)
    paid = paying.pay_bill(scene, cast.person, code)
    cast.pushes.hear(pb.NOTIFICATION_KIND_PAYMENT_MADE)
    before = len(cast.pushes.told)
    paying.bill_refused(scene, cast.person, code, "QR_USED")
    sent = by_phone(played)
    assert cast.pushes.hear(pb.NOTIFICATION_KIND_TRANSFER_SENT).source_id == sent
    assert [each.source_id for each in cast.pushes.told[before:]] == [sent]
    assert paid.payment_id != sent
