"""Methods that do nothing, behind the same guard and with the same messages: what the edge itself costs.

Served only where the settings say so. A benchmark divides the time of a real method by that of its twin here.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from ledger.rpc.calls import Handler
from protos.esep.v1 import transfer_service_pb2 as pb

SERVICE: Final = "esep.bench.Empty"


def bench_handlers() -> dict[str, Handler]:
    """Return the methods of ``esep.bench.Empty``: CreateTransfer and CreateTransfers."""
    return {
        "CreateTransfer": _empty(pb.CreateTransferRequest, pb.CreateTransferResponse),
        "CreateTransfers": _empty(pb.CreateTransfersRequest, pb.CreateTransfersResponse),
    }


def _empty(request: type[Any], response: type[Any]) -> Handler:
    async def answer(_request: Any, _context: Any) -> Any:
        return response()

    behaviour: Callable[[Any, Any], Awaitable[Any]] = answer
    return grpc.unary_unary_rpc_method_handler(
        behaviour, request_deserializer=request.FromString, response_serializer=response.SerializeToString
    )
