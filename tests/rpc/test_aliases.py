"""Phone numbers at the edge: other countries, codes that cannot be sent, and what an interruption leaves behind."""

from pathlib import Path
from uuid import UUID

import pytest

from ledger.vault.codes import FileCodes
from ledger.vault.sweep import GRACE, sweep
from protos.esep.v1 import alias_service_pb2 as aliases
from tests.people import Person
from tests.rpc.payers import Payers, linking
from tests.rpc.world import World, new_id

KAZAKH = "+77011234567"
NUMBER = "+996555123456"


@pytest.fixture
def payers(world: World) -> Payers:
    return Payers(world)


@pytest.fixture
def adil(payers: Payers) -> Person:
    return payers.payer("bank-a", "Адил Осмонов")


def listed(payers: Payers, payer: Person) -> list[str]:
    """Return the numbers that lead to somebody's cards."""
    request = aliases.ListAliasesRequest(customer_id=payer.customer_id)
    return [alias.phone_number for alias in payers.call(payers.ledger.aliases.ListAliases, request).aliases]


def test_another_country_is_served_where_a_setting_says_so(tmp_path: Path) -> None:
    """With Kazakhstan among them, its numbers are linked as any others."""
    with World(tmp_path, phone_countries=("KG", "KZ")) as world:
        payers = Payers(world)
        adil = payers.payer("bank-a", "Адил Осмонов")
        payers.link(adil, KAZAKH, code=payers.code(adil, KAZAKH))
        assert listed(payers, adil) == [KAZAKH]


def test_a_code_that_was_not_sent_is_told(payers: Payers, adil: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is recorded, and the same may be asked again."""

    def broken(*_: str) -> None:
        raise OSError

    monkeypatch.setattr(FileCodes, "send", broken)
    request = aliases.SendAliasCodeRequest(customer_id=adil.customer_id, phone_number=NUMBER)
    refusal = payers.refused(payers.ledger.aliases.SendAliasCode, request)
    assert (refusal.reason, refusal.metadata["recorded"]) == ("CODE_NOT_SENT", "false")


def test_only_somebody_identified_has_codes_sent(payers: Payers) -> None:
    """Not somebody who does not exist, nor who has only registered."""
    registered = payers.customer("bank-a", "Адил Осмонов", identified=False)
    for customer_id, reason in ((new_id(), "CUSTOMER_NOT_FOUND"), (registered.customer_id, "CUSTOMER_NOT_IDENTIFIED")):
        request = aliases.SendAliasCodeRequest(customer_id=customer_id, phone_number=NUMBER)
        refusal = payers.refused(payers.ledger.aliases.SendAliasCode, request)
        assert (refusal.reason, refusal.metadata["recorded"]) == (reason, "false")


def test_a_code_links_once(payers: Payers, adil: Person) -> None:
    """It is forgotten with the link: it does not move the number to another card."""
    code = payers.code(adil, NUMBER)
    payers.link(adil, NUMBER, code=code)
    second = payers.payer("bank-a", "Бакыт Асанова")
    again = linking(second, NUMBER, code=code)
    assert payers.refused(payers.ledger.aliases.LinkPhone, again).reason == "ALIAS_CODE_REQUIRED"


def test_another_number_under_the_same_id_is_another_request(payers: Payers, adil: Person) -> None:
    """Also one that leads nowhere and never did; the same number is answered again."""
    request_id = new_id()
    linked = payers.link(adil, request_id=request_id)
    again = linking(adil, "+996555777001", request_id=request_id)
    assert payers.refused(payers.ledger.aliases.LinkPhone, again).reason == "REQUEST_ID_REUSED"
    assert payers.link(adil, request_id=request_id) == linked


def test_a_link_that_was_refused_leaves_nothing_after_the_sweep(payers: Payers, adil: Person) -> None:
    """The number it reserved is free; one that the log knows is kept, and is its last customer's."""
    vault, engine = payers.world.vault.vault, payers.world.engine
    payers.refused(payers.ledger.aliases.LinkPhone, linking(adil, NUMBER))
    linked = payers.link(adil)
    alias_id = UUID(linked.alias_id).bytes
    assert vault.aliases.find(NUMBER) is not None
    stranger = payers.payer("bank-b", "Бакыт Асанова")
    vault.aliases.settle(alias_id, UUID(stranger.customer_id).bytes)
    assert listed(payers, stranger) == []
    vault.aliases.reserve(adil.phone_number, payers.world.clock.now())
    sweep(vault, engine.log, engine.partition, payers.world.clock.now() + GRACE + 1)
    assert vault.aliases.find(NUMBER) is None
    assert vault.aliases.find(adil.phone_number) == alias_id
    assert listed(payers, adil) == [adil.phone_number]
