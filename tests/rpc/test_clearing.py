"""Clearing at the edge: whose record it is reaches the ledger with every method that takes one."""

from typing import Any

from protos.esep.v1 import authorization_service_pb2 as api
from protos.esep.v1.authorization_pb2 import AUTHORIZATION_KIND_PURCHASE as PURCHASE
from tests.rpc.world import Bank, new_id


def test_each_acquirer_has_references_of_its_own(bank: Bank) -> None:
    """Capture, force post, refund and notice: taken once for each acquirer, and refused the second time."""
    service = bank.ledger.authorizations
    made = bank.call(
        service.CreateAuthorization,
        api.CreateAuthorizationRequest(
            request_id=new_id(), account_id=bank.rich, credit_account_id=bank.merchant, amount_tyiyn=100, kind=PURCHASE
        ),
    ).authorization.authorization_id

    def records(acquirer: str) -> list[tuple[Any, Any]]:
        who: dict[str, Any] = {"acquirer_id": acquirer, "amount_tyiyn": 10}
        credit = api.MerchantCredit(account_id=bank.rich, merchant_account_id=bank.merchant)
        capture = api.CaptureAuthorizationRequest(authorization_id=made, clearing_reference="c", **who)
        forced = api.ForcePostRequest(
            account_id=bank.rich, credit_account_id=bank.merchant, clearing_reference="f", **who
        )
        refund = api.PostRefundRequest(merchant_credit=credit, clearing_reference="r", **who)
        return [(service.CaptureAuthorization, capture), (service.ForcePost, forced), (service.PostRefund, refund)]

    def notice(acquirer: str) -> api.RecordSettlementNoticeRequest:
        return api.RecordSettlementNoticeRequest(
            request_id=new_id(), clearing_reference="f", amount_tyiyn=10, acquirer_id=acquirer
        )

    for acquirer in ("a-1", "a-2", ""):
        assert bank.refused(service.RecordSettlementNotice, notice(acquirer)).reason == "CLEARING_REFERENCE_NOT_FOUND"
        for method, request in records(acquirer):
            request.request_id = new_id()
            bank.call(method, request)
        for method, request in records(acquirer):
            request.request_id = new_id()
            assert bank.refused(method, request).reason == "CLEARING_REFERENCE_SEEN"
        bank.call(service.RecordSettlementNotice, notice(acquirer))
