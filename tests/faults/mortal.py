"""The demonstration's story on a server that is killed again and again, told on by repeats of the same requests.

Whoever calls keeps a request until it is answered, as every client of the ledger must. What was acknowledged is kept
too, and asked for once more in the end, when it must be answered with the same position.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final, NamedTuple, Self, cast

import grpc

from protos.esep.v1.payment_pb2 import PAYMENT_STATE_PROCESSING, PAYMENT_STATE_UNRESOLVED
from scripts.demo_banks import Bank
from scripts.demo_client import CHANNEL_OPTIONS, answer_of
from scripts.demo_load import may_try_again
from scripts.demo_server import ServerProcess
from scripts.device import Phone
from scripts.story import blocking, contactless, joining, paying, salary, transferring
from scripts.story.people import aizada, bakyt, digits
from scripts.story.reading import available
from scripts.story.scene import CALL_SECONDS, Scene, expect
from scripts.voice import Voice

PATIENCE: Final = 60.0
MOMENTS: Final = (0.0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.06)
"""After how many seconds of a call the server is killed, one of these."""
PAUSES: Final = 0.5
"""How many of the strikes are pauses."""
_PAUSE: Final = 0.05
_ASKED: Final = {PAYMENT_STATE_PROCESSING, PAYMENT_STATE_UNRESOLVED}

Method = Callable[..., Any]


class Acknowledged(NamedTuple):
    """A write that was answered, and with which position."""

    method: Method
    request: Any
    position: int


class MortalScene(Scene):
    """A scene whose server dies during some of its writes, counted from the first. ``lived`` counts them."""

    def __init__(self, server: ServerProcess, kill_at: set[int], random: Random) -> None:
        super().__init__(server.address, server.directory / "confirmation-codes", Voice.unheard())
        self.lived = 0
        self.killed: list[str] = []
        """The requests during which the server was killed."""
        self.acknowledged: list[Acknowledged] = []
        self._server = server
        self._kill_at = kill_at
        self._random = random

    def do(self, method: Method, request: Any) -> Any:
        """Call a method until it is answered, whatever happens to the server; it must succeed."""
        answer = super().do(self._through(method), request)
        if getattr(answer, "receipt", None) is not None and hasattr(request, "request_id"):
            self.acknowledged.append(Acknowledged(method, request, answer.receipt.position))
        return answer

    def refused(self, method: Method, request: Any, reason: str) -> Any:
        """Call a method until it is answered; it must be refused for this reason."""
        answer = super().refused(self._through(method), request, reason)
        if answer.position:
            self.acknowledged.append(Acknowledged(method, request, answer.position))
        return answer

    def forgotten(self) -> list[str]:
        """Return what was acknowledged and is answered otherwise now."""
        return [
            f"{type(each.request).__name__} at {each.position}, then {now}"
            for each in self.acknowledged
            if (now := self._position(each)) != each.position
        ]

    def _position(self, acknowledged: Acknowledged) -> int | str:
        try:
            receipt = acknowledged.method(acknowledged.request, timeout=CALL_SECONDS).receipt
        except grpc.RpcError as error:
            answer = answer_of(error)
            return answer.position or answer.reason
        return int(receipt.position) if receipt.replayed else "done again"

    def _through(self, method: Method) -> Method:
        """Return a method that is called until the ledger has said what became of the request."""

        def call(request: Any, timeout: float) -> Any:
            writes = hasattr(request, "request_id")
            self.lived += writes
            if writes and self.lived in self._kill_at:
                self._kill_during(method, request)
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    answer = method(request, timeout=timeout)
                except grpc.RpcError as error:
                    if not may_try_again(error) or time.monotonic() > deadline:
                        raise
                else:
                    payment: Any = getattr(answer, "payment", None)
                    waits = type(request).__name__ == "ConfirmPaymentRequest" and payment.state in _ASKED
                    if not waits or time.monotonic() > deadline:
                        return answer
                time.sleep(_PAUSE)

        return call

    def _kill_during(self, method: Method, request: Any) -> None:
        """Send a request, kill the server a moment later, and start it again. What it answered before then stands."""
        call = cast("Any", method).future(request, timeout=CALL_SECONDS)
        moment = self._random.choice(MOMENTS)
        time.sleep(moment)
        self.strike()
        self.killed.append(f"{type(request).__name__} after {moment} s")
        self.recover()
        try:
            answer = call.result()
        except grpc.RpcError:
            answer = None
        receipt = getattr(answer, "receipt", None)
        if receipt is not None:
            self.acknowledged.append(Acknowledged(method, request, receipt.position))

    def strike(self) -> None:
        """Let happen to the server what happens to it."""
        self._server.kill()

    def recover(self) -> None:
        """Return when somebody serves again."""
        self._server.start()


class Switch(grpc.Channel):
    """A channel to whichever server is asked now."""

    def __init__(self, channels: Sequence[grpc.Channel]) -> None:
        self._channels = channels
        self.now = 0

    def unary_unary(self, *arguments: Any, **more: Any) -> Any:
        """Return a way to call a method of the server that is asked now."""
        return self._channels[self.now].unary_unary(*arguments, **more)

    def unary_stream(self, *arguments: Any, **more: Any) -> Any:
        raise NotImplementedError

    stream_unary = stream_stream = unary_stream

    def subscribe(self, callback: Any, try_to_connect: bool | None = False) -> None:  # noqa: FBT001, FBT002 - grpc's own
        raise NotImplementedError

    def unsubscribe(self, callback: Any) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Close them all."""
        for channel in self._channels:
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PairScene(MortalScene):
    """A scene with an owner and a standby: the owner is killed or paused, and the standby is asked from then on."""

    def __init__(self, servers: Sequence[ServerProcess], strike_at: set[int], random: Random) -> None:
        super().__init__(servers[0], strike_at, random)
        self._channel.close()
        self._channel = self._switch = Switch(
            [grpc.insecure_channel(server.address, CHANNEL_OPTIONS) for server in servers]
        )
        self._servers = servers
        self._paused = False

    def strike(self) -> None:
        """Kill the owner, or stop it where it is."""
        self._paused = self._random.random() < PAUSES
        owner = self._servers[self._switch.now]
        if self._paused:
            owner.pause()
        else:
            owner.kill()

    def recover(self) -> None:
        """Wait for the standby to take over; then the old owner is there again, and is the standby."""
        old, new = self._servers[self._switch.now], self._servers[1 - self._switch.now]
        new.wait_until_serving()
        self._switch.now = 1 - self._switch.now
        if self._paused:
            old.resume()
        else:
            old.start(serving=False)

    def sms_code(self, customer_id: str) -> str:
        """Read the last code that was sent to a customer, by whichever server."""
        files = [server.directory / "confirmation-codes" for server in self._servers]
        sent = [
            line.split()
            for file in sorted((file for file in files if file.exists()), key=lambda file: file.stat().st_mtime_ns)
            for line in file.read_text("ascii").splitlines()
        ]
        return [code for whose, code in sent if whose == customer_id][-1]


def tell(scene: Scene, banks: Mapping[str, Bank]) -> None:
    """Tell the story, but for what is heard by telephone: each step says itself what must have come of it."""
    person, friend, shop = aizada(banks["ala-too"]), bakyt(banks["issyk-kul"]), banks["manas"]
    joining.join(scene, friend, "1280020002100996", deposit=3_000_00)
    joining.join(scene, person, "1240020002100417", deposit=3_000_00)
    paying.open_businesses(scene, shop)
    bill = paying.bill(480_00)
    paid = paying.pay_bill(scene, person, bill).total_tyiyn
    paying.bill_refused(scene, person, bill, "QR_USED")
    transferring.link_phone(scene, friend)
    sent = transferring.send(scene, person, friend, 500_00, phone_number=friend.phone_number)
    paid += sent.amount + sent.fee
    sent = transferring.send(scene, person, friend, 250_00, qr_text=transferring.own_code(scene, friend))
    paid += sent.amount + sent.fee
    service = paying.find_service(scene, person, "жарык бишкек").service_id
    paid += paying.pay_service(scene, person, service, {"account": digits(9)}, 350_00).total_tyiyn
    paid += paying.pay_service(scene, person, "mobile-mega", {"phone": friend.phone_number}, 100_00).total_tyiyn
    phone = Phone()
    token = contactless.tokenise(scene, person, phone)
    contactless.switch_on(scene, person, token.token_id)
    contactless.tap(scene, person, phone, shop, 645_50, ("KKM-0417", "000042"))
    salary.pay_salaries(scene, person.bank, {1: (person, 25_000_00), 2: (friend, 21_500_00)})
    blocking.block(scene, person, "the holder called")
    contactless.tap_refused(scene, phone, shop, 120_00, "TOKEN_SUSPENDED")
    blocking.unblock(scene, person, "the holder found it")
    contactless.tap(scene, person, phone, shop, 120_00, ("KKM-0417", "000044"))
    expect("what she has", available(scene, person), 3_000_00 - paid - 645_50 + 25_000_00 - 120_00)
    expect("what her friend has", available(scene, friend), 3_000_00 + 500_00 + 250_00 + 21_500_00)


def settings(target: str, database_url: str = "") -> dict[str, str]:
    """Return the settings of a server in the story: it asks soon after what a provider has left open."""
    database = {"ESEP_DATABASE_URL": database_url} if database_url else {}
    asking = {"ESEP_PROVIDER_POLL_SECONDS": "0.2", "ESEP_PROVIDER_PATIENCE_SECONDS": "1"}
    return {**paying.settings(target), **asking, **database}
