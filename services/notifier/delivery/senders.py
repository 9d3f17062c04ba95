"""The interface of a way to devices: web push, FCM and APNs."""

from collections.abc import Mapping
from typing import Protocol

from services.notifier.delivery.outcome import Outcome
from services.notifier.devices import Device, Platform
from services.notifier.push_jobs import ApprovedJob
from services.notifier.targets import Target, TargetRefused


class Sender(Protocol):
    """Sends single jobs."""

    def queue_of(self, target: Target) -> str:
        """Return the name of the service queue of this device. Raises TargetRefused when nothing may be sent to it."""

    async def send(self, approved: ApprovedJob) -> Outcome:
        """Make one request, and return its outcome."""


class Senders:
    """The configured senders: one for browsers, and one for each native platform."""

    def __init__(self, web: Sender, native: Mapping[Platform, Sender]) -> None:
        self._web = web
        self._native = native

    def of(self, target: Target) -> Sender:
        """Return the sender for a device. Raises TargetRefused when its platform isn't configured."""
        if not isinstance(target, Device):
            return self._web
        sender = self._native.get(target.platform)
        if sender is None:
            raise TargetRefused(f"{target.platform} is not set up")
        return sender
