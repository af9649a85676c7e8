"""Looking things up in the story: receipts by operation, balances, lists of one person's own."""

from protos.esep.v1.receipt_service_pb2 import GetOperationReceiptRequest
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from scripts.story.people import Person
from scripts.story.scene import Scene


def receipt(scene: Scene, person: Person, operation_id: str) -> list[str]:
    """Return the receipt of one of somebody's own operations, as the application prints it."""
    request = GetOperationReceiptRequest(
        operation_id=operation_id, language=scene.language, min_position=scene.position
    )
    return list(scene.do(scene.app(person.customer_id).receipts.GetOperationReceipt, request).lines)


def available(scene: Scene, person: Person) -> int:
    """Return what somebody may spend, as the application shows it."""
    request = GetBalanceRequest(account_id=person.account_id, min_position=scene.position)
    balance = scene.do(scene.app(person.customer_id).statements.GetBalance, request).balance
    return int(balance.available_tyiyn)
