"""A provider of services that behaves as it is told: esep.v1.ProviderService, served for tests and the demonstration.

    python -m scripts.provider --listen 127.0.0.1:50061 --behaviour late

Point ``ESEP_PROVIDERS`` at it. Whatever it does, it delivers a payment once at most, as every provider must: what it is
told to deliver again is answered as before.
"""
# ruff: noqa: N802 - the names of the methods are the contract's

import argparse
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from math import inf
from typing import Final, Self

import grpc

from protos.esep.v1 import payment_service_pb2 as payments
from protos.esep.v1 import provider_service_pb2 as pb
from protos.esep.v1.payment_service_pb2_grpc import PaymentServiceStub
from protos.esep.v1.provider_service_pb2_grpc import ProviderServiceServicer, add_ProviderServiceServicer_to_server
from scripts.demo_client import new_id

_THREADS: Final = 64
_LEDGER_SECONDS: Final = 10.0
BENEFICIARY: Final = "Айбек К."
NOBODY: Final = "99999"
"""How the fields of somebody end whom the provider does not know."""


class Behaviour(StrEnum):
    """What the provider does with a delivery, and what it says."""

    DELIVERS = "delivers"
    REFUSES = "refuses"
    SILENT = "silent"
    """It takes the order, and says nothing until it behaves otherwise."""
    LATE = "late"
    """It delivers, but its answer is lost: only the status tells."""
    FORGETS = "forgets"
    """The first order never reaches it; it is delivered when it is asked for again."""
    TWICE = "twice"
    """It delivers, and tells so by PaymentService.AnswerPayment before it answers."""
    PENDING = "pending"
    """It answers that it does not know yet."""


class Provider(ProviderServiceServicer):
    """Serves on a port of loopback. ``behaviour`` may be changed at any time. A context manager."""

    def __init__(
        self,
        behaviour: Behaviour = Behaviour.DELIVERS,
        *,
        listen: str = "127.0.0.1:0",
        ledger: str = "",
        hangs_up_after: float = inf,
    ) -> None:
        self.behaviour = behaviour
        self.hangs_up_after = hangs_up_after
        """After how many seconds it breaks a silence off, where the ledger would wait for longer."""
        self.ledger = ledger
        """Where it answers by itself, when it answers twice."""
        self.delivered: Counter[str] = Counter()
        """How often it delivered each payment."""
        self.checks = 0
        """How often it was asked about a beneficiary."""
        self.orders: Counter[str] = Counter()
        """How often it was told to deliver each payment."""
        self.questions: Counter[str] = Counter()
        """How often it was asked for the status of each payment."""
        self.requests: dict[str, pb.DeliverRequest] = {}
        """The last order of each payment that reached it."""
        self._said: dict[str, pb.DeliveryState.ValueType] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(_THREADS, "provider"))
        add_ProviderServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(listen)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def target(self) -> str:
        """Where it answers."""
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Answer nobody any more."""
        self._stopping.set()
        self._server.stop(0).wait()

    def wait(self) -> None:
        """Serve until the process is ended."""
        self._server.wait_for_termination()

    # The contract.

    def CheckBeneficiary(
        self, request: pb.CheckBeneficiaryRequest, context: grpc.ServicerContext
    ) -> pb.CheckBeneficiaryResponse:
        """Know everybody whose number does not end in nines."""
        self.checks += 1
        if self.behaviour is Behaviour.SILENT:
            self._keep_silent(context)
        known = not any(entered.endswith(NOBODY) for entered in request.fields.values())
        return pb.CheckBeneficiaryResponse(known=known, masked_name=BENEFICIARY if known else "")

    def Deliver(self, request: pb.DeliverRequest, context: grpc.ServicerContext) -> pb.DeliverResponse:
        """Deliver, or not, once."""
        payment_id, behaviour = request.payment_id, self.behaviour
        with self._lock:
            self.orders[payment_id] += 1
            first = payment_id not in self._said
            if behaviour is Behaviour.FORGETS and self.orders[payment_id] == 1:
                first = False
            else:
                self.requests[payment_id] = request
            if first:
                self._carry_out(payment_id, behaviour)
        if behaviour is Behaviour.TWICE and first:
            self._tell(payment_id)
        if behaviour in (Behaviour.SILENT, Behaviour.LATE) or payment_id not in self._said:
            self._keep_silent(context)
        return pb.DeliverResponse(
            state=self._state(payment_id),
            provider_reference=self._reference(payment_id),
            explanation=self._explanation(payment_id),
        )

    def GetDelivery(self, request: pb.GetDeliveryRequest, context: grpc.ServicerContext) -> pb.GetDeliveryResponse:
        """Tell how a delivery stands."""
        payment_id, behaviour = request.payment_id, self.behaviour
        with self._lock:
            self.questions[payment_id] += 1
        if behaviour is Behaviour.SILENT:
            self._keep_silent(context)
        with self._lock:
            taken = self._said.get(payment_id)
            if taken == pb.DELIVERY_STATE_PENDING and behaviour is not Behaviour.PENDING:
                self._carry_out(payment_id, behaviour)
        return pb.GetDeliveryResponse(
            state=self._state(payment_id),
            provider_reference=self._reference(payment_id),
            explanation=self._explanation(payment_id),
        )

    def _carry_out(self, payment_id: str, behaviour: Behaviour) -> None:
        match behaviour:
            case Behaviour.REFUSES:
                self._said[payment_id] = pb.DELIVERY_STATE_REFUSED
            case Behaviour.SILENT | Behaviour.PENDING:
                self._said[payment_id] = pb.DELIVERY_STATE_PENDING
            case _:
                self._said[payment_id] = pb.DELIVERY_STATE_DELIVERED
                self.delivered[payment_id] += 1

    def _state(self, payment_id: str) -> pb.DeliveryState.ValueType:
        return self._said.get(payment_id, pb.DELIVERY_STATE_UNKNOWN)

    def _reference(self, payment_id: str) -> str:
        return f"p-{payment_id[:8]}" if self._state(payment_id) == pb.DELIVERY_STATE_DELIVERED else ""

    def _explanation(self, payment_id: str) -> str:
        return "the account is closed" if self._state(payment_id) == pb.DELIVERY_STATE_REFUSED else ""

    def _tell(self, payment_id: str) -> None:
        """Answer without being asked."""
        request = payments.AnswerPaymentRequest(
            request_id=new_id(), payment_id=payment_id, answer=payments.PAYMENT_ANSWER_DELIVERED
        )
        with grpc.insecure_channel(self.ledger) as channel:
            PaymentServiceStub(channel).AnswerPayment(request, timeout=_LEDGER_SECONDS)

    def _keep_silent(self, context: grpc.ServicerContext) -> None:
        """Say nothing for as long as the ledger waits, or until it is time to hang up."""
        left: float | None = context.time_remaining()
        self._stopping.wait(min(_LEDGER_SECONDS if left is None else left, self.hangs_up_after))
        context.abort(grpc.StatusCode.UNAVAILABLE, "silent")


def main() -> None:
    """Serve as the arguments say."""
    parser = argparse.ArgumentParser(description="A provider of services that behaves as it is told.")
    parser.add_argument("--listen", default="127.0.0.1:50061", help="host:port on loopback")
    parser.add_argument("--behaviour", type=Behaviour, default=Behaviour.DELIVERS, choices=list(Behaviour))
    parser.add_argument("--ledger", default="", help="the ledger's host:port, for the behaviour 'twice'")
    arguments = parser.parse_args()
    with Provider(arguments.behaviour, listen=arguments.listen, ledger=arguments.ledger) as provider:
        print(f"provider: {provider.behaviour} on {provider.target}", flush=True)
        provider.wait()


if __name__ == "__main__":
    main()
