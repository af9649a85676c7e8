"""Phones that ring: what NotificationService delivers, as it delivers it, to an application and to a sender of SMS."""

import threading
import time
from typing import Any, Final

import grpc

from ledger.rpc.client import Ledger
from protos.esep.v1 import notification_pb2 as pb
from protos.esep.v1.notification_service_pb2 import ListNotificationsRequest, SubscribeRequest
from scripts.story.people import Person
from scripts.story.scene import Scene, expect
from scripts.voice import Discrepancy

PATIENCE_SECONDS: Final = 30.0
PUSH: Final = pb.NOTIFICATION_CHANNEL_PUSH
SMS: Final = pb.NOTIFICATION_CHANNEL_SMS
_NAMES: Final = {PUSH: "PUSH", SMS: "SMS"}


class Listener:
    """Follows what one person is told on one channel: PUSH by the application, SMS by the bank that sends it."""

    def __init__(self, scene: Scene, person: Person, channel: pb.NotificationChannel.ValueType) -> None:
        self.told: list[pb.Notification] = []
        self._scene = scene
        self._person = person
        self._channel = channel
        self._shown = 0
        self._news = threading.Condition()
        self._ended = ""
        self._stream: Any = self._ledger.notifications.Subscribe(
            SubscribeRequest(
                participant_id=person.bank.name,
                customer_id=self._customer_id,
                channel=channel,
                language=scene.language,
            )
        )
        threading.Thread(target=self._follow, daemon=True).start()

    def hear(self, kind: pb.NotificationKind.ValueType) -> pb.Notification:
        """Wait for the next notification of a kind and show it with those before it.

        Raises Discrepancy when it does not come in time.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = self._next(deadline)
            if found is None:
                name = pb.NotificationKind.Name(kind)
                raise Discrepancy(f"{self._person.first_name} was not told {name} in time {self._ended}")
            self._scene.voice.message(_NAMES[self._channel], self._person.first_name, found.text)
            if found.kind == kind:
                return found

    def end(self) -> None:
        """Hang up, when all is told. That must be what can be read again: everything, in order, each once."""
        listed: list[pb.Notification] = []
        request = ListNotificationsRequest(
            participant_id=self._person.bank.name,
            customer_id=self._customer_id,
            channel=self._channel,
            language=self._scene.language,
            min_position=self._scene.position,
        )
        while True:
            page = self._scene.do(self._ledger.notifications.ListNotifications, request)
            listed += page.notifications
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        listed.reverse()  # The newest came first.
        with self._news:
            self._news.wait_for(lambda: len(self.told) >= len(listed), PATIENCE_SECONDS)
        self._stream.cancel()
        found, wanted = ([_place(each) for each in some] for some in (self.told, listed))
        expect(f"where what {self._person.first_name} was told stands", found, wanted)

    @property
    def _ledger(self) -> Ledger:
        if self._channel == PUSH:
            return self._scene.app(self._person.customer_id)
        return self._scene.bank(self._person.bank.name)

    @property
    def _customer_id(self) -> str:
        return self._person.customer_id if self._channel == PUSH else ""

    def _next(self, deadline: float) -> pb.Notification | None:
        with self._news:
            while len(self.told) == self._shown and not self._ended:
                if not self._news.wait(max(0.0, deadline - time.monotonic())):
                    return None
            if len(self.told) == self._shown:
                return None
            self._shown += 1
            return self.told[self._shown - 1]

    def _follow(self) -> None:
        try:
            for message in self._stream:
                with self._news:
                    self.told += message.notifications.notifications
                    self._news.notify_all()
        except grpc.RpcError as error:
            call: Any = error
            with self._news:
                self._ended = f"({call.code().name}: {call.details()})"
                self._news.notify_all()


def _place(notification: pb.Notification) -> tuple[int, int]:
    return notification.cursor.position, notification.cursor.item
