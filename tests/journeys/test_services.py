"""What a payer finds and fills in before any money moves (leaflet rows S22, S23, S29, S38)."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from ledger.rpc.client import Ledger, reason
from protos.esep.v1 import service_directory_pb2 as resources
from protos.esep.v1 import service_directory_service_pb2 as api
from scripts.demo_server import ServerError, ServerProcess
from tests.serving import CALL_SECONDS, ledger, server

__all__ = ["ledger", "server"]


def validate(ledger: Ledger, service_id: str, fields: dict[str, str], **amount: int) -> Any:
    request = api.ValidateServiceFieldsRequest(service_id=service_id, fields=fields, **amount)
    return ledger.directory.ValidateServiceFields(request, timeout=CALL_SECONDS)


def violations(error: Any) -> dict[str, str]:
    status = rpc_status.from_call(error)
    assert status is not None
    for detail in status.details:
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            return {violation.field: violation.reason for violation in bad.field_violations}
    return {}


def search(ledger: Ledger, query: str, language: resources.Language.ValueType, limit: int = 0) -> list[str]:
    request = api.SearchServicesRequest(query=query, language=language, limit=limit)
    answer = ledger.directory.SearchServices(request, timeout=CALL_SECONDS)
    return [service.service_id for service in answer.services]


def test_S22_the_directory_is_browsed_by_category(ledger: Ledger) -> None:
    """Every category's services are listed page by page; together they are the 400 and more of the leaflet."""
    listed = ledger.directory.ListServiceCategories(api.ListServiceCategoriesRequest(), timeout=CALL_SECONDS)
    seen: set[str] = set()
    for category in listed.categories:
        found: list[str] = []
        token = ""
        while True:
            request = api.ListServicesRequest(category_id=category.category_id, page_size=20, page_token=token)
            page = ledger.directory.ListServices(request, timeout=CALL_SECONDS)
            found += [service.service_id for service in page.services]
            assert {service.category_id for service in page.services} == {category.category_id}
            token = page.next_page_token
            if not token:
                break
        assert len(found) == len(set(found)) == category.service_count
        seen |= set(found)
    assert len(seen) > 400


def test_S22_a_page_token_belongs_to_its_question(ledger: Ledger) -> None:
    first = ledger.directory.ListServices(api.ListServicesRequest(page_size=5), timeout=CALL_SECONDS)
    assert len(first.services) == 5
    other = api.ListServicesRequest(category_id="water", page_size=5, page_token=first.next_page_token)
    with pytest.raises(grpc.RpcError) as refused:
        ledger.directory.ListServices(other, timeout=CALL_SECONDS)
    assert violations(refused.value) == {"page_token": "PAGE_TOKEN_INVALID"}


def test_S22_an_unknown_category_is_refused(ledger: Ledger) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        ledger.directory.ListServices(api.ListServicesRequest(category_id="none"), timeout=CALL_SECONDS)
    assert violations(refused.value) == {"category_id": "UNKNOWN_VALUE"}


def test_S22_all_services_are_one_list(ledger: Ledger) -> None:
    page = ledger.directory.ListServices(api.ListServicesRequest(page_size=1_000), timeout=CALL_SECONDS)
    assert len(page.services) > 400
    assert page.next_page_token == ""


def test_S22_a_service_tells_what_to_enter_and_what_it_costs(ledger: Ledger) -> None:
    request = api.GetServiceRequest(service_id="electricity-bishkek")
    service = ledger.directory.GetService(request, timeout=CALL_SECONDS).service
    assert [(field.field_id, field.required) for field in service.fields] == [("account", True), ("reading", False)]
    assert service.entered_amount.min_tyiyn == 1_000
    assert (service.currency_code, service.merchant_category_code) == ("KGS", "4900")


def test_S22_fields_are_validated_before_any_money(ledger: Ledger) -> None:
    """Everything that is wrong is told at once, by the paths of the request."""
    accepted = validate(ledger, "electricity-bishkek", {"account": "123456789"}, amount_tyiyn=150_000)
    assert (accepted.amount_tyiyn, accepted.currency_code) == (150_000, "KGS")
    with pytest.raises(grpc.RpcError) as refused:
        validate(ledger, "electricity-bishkek", {"account": "12345678x", "reading": "1234567"}, amount_tyiyn=1)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(refused.value) == {
        "fields.account": "PATTERN",
        "fields.reading": "LENGTH",
        "amount_tyiyn": "RANGE",
    }


def test_S22_a_fixed_price_is_told(ledger: Ledger) -> None:
    assert validate(ledger, "state-imei", {"imei": "490154203237518"}).amount_tyiyn == 55_000
    with pytest.raises(grpc.RpcError) as refused:
        validate(ledger, "state-imei", {"imei": "490154203237510"}, amount_tyiyn=1)
    assert violations(refused.value) == {"fields.imei": "CHECK_DIGIT", "amount_tyiyn": "PRICE"}


def test_S22_an_unknown_service_is_refused(ledger: Ledger) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        validate(ledger, "teleport", {})
    error: Any = refused.value
    info = reason(error)
    assert info is not None
    assert (info.reason, info.metadata["service_id"]) == ("SERVICE_NOT_FOUND", "teleport")


@pytest.mark.parametrize(
    ("query", "language", "first"),
    [
        ("жарык бишкек", resources.LANGUAGE_KY, "electricity-bishkek"),
        ("эликтр бишкек", resources.LANGUAGE_KY, "electricity-bishkek"),
        ("школа 12", resources.LANGUAGE_RU, "school-bishkek-12"),
        ("оптима кридит", resources.LANGUAGE_RU, "loan-optima"),
        ("elektr karakol", resources.LANGUAGE_UNSPECIFIED, "electricity-karakol"),
        ("land tax uzgen", resources.LANGUAGE_EN, "tax-land-uzgen-district"),
    ],
)
def test_S23_services_are_found_by_what_people_type(
    ledger: Ledger, query: str, language: resources.Language.ValueType, first: str
) -> None:
    assert search(ledger, query, language)[0] == first


def test_S23_a_search_is_bounded(ledger: Ledger) -> None:
    assert len(search(ledger, "бишкек", resources.LANGUAGE_RU)) == 10
    assert len(search(ledger, "бишкек", resources.LANGUAGE_RU, 50)) == 50
    assert search(ledger, "qwvptx", resources.LANGUAGE_EN) == []
    with pytest.raises(grpc.RpcError) as refused:
        search(ledger, "я" * 65, resources.LANGUAGE_RU, 51)
    assert violations(refused.value) == {"query": "LENGTH", "limit": "RANGE"}
    with pytest.raises(grpc.RpcError) as refused:
        search(ledger, " ", resources.LANGUAGE_RU)
    assert violations(refused.value) == {"query": "MISSING"}


def test_S29_a_mobile_top_up_names_an_operator_and_a_phone(ledger: Ledger) -> None:
    assert validate(ledger, "mobile-mega", {"phone": "+996700000000"}, amount_tyiyn=10_000).amount_tyiyn == 10_000
    with pytest.raises(grpc.RpcError) as refused:
        validate(ledger, "mobile-mega", {"phone": "0700000000"})
    assert violations(refused.value) == {"fields.phone": "LENGTH"}


def test_S38_every_name_is_told_in_three_languages(ledger: Ledger) -> None:
    page = ledger.directory.ListServices(api.ListServicesRequest(page_size=1_000), timeout=CALL_SECONDS)
    texts = [text for service in page.services for text in (service.name, service.provider.name)]
    texts += [field.name for service in page.services for field in service.fields]
    assert all(text.ky and text.ru and text.en for text in texts)


def test_S22_a_server_does_not_start_with_a_catalogue_that_is_wrong(tmp_path: Path) -> None:
    """The error names the place; nobody is served half a directory."""
    broken = tmp_path / "services.json"
    broken.write_text('{"categories": [], "providers": [], "services": [{"id": "x"}]}', "utf-8")
    with (
        ServerProcess(tmp_path, {"ESEP_SERVICES_FILE": str(broken)}) as process,
        pytest.raises(ServerError, match=r"cannot start: the catalogue of services: .*services\[0\]"),
    ):
        process.start()
