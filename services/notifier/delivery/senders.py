"""What a way to devices has to offer: web push, FCM and APNs are such ways."""

from collections.abc import Mapping
from typing import Protocol

from services.notifier.delivery.outcome import Outcome
from services.notifier.devices import Device, Platform
from services.notifier.push_jobs import ApprovedJob
from services.notifier.targets import Target, TargetRefused


class Sender(Protocol):
    """Sends single jobs."""

    def queue_of(self, target: Target) -> str:
        """The name of the service queue that jobs for this device wait in. Raises TargetRefused when it gets none."""

    async def send(self, approved: ApprovedJob) -> Outcome:
        """Make one request, and return its outcome."""


class Senders:
    """The senders that are set up: one for browsers, and one for each native platform."""

    def __init__(self, web: Sender, native: Mapping[Platform, Sender]) -> None:
        self._web = web
        self._native = native

    @property
    def platforms(self) -> list[Platform]:
        """The native platforms that are set up."""
        return list(self._native)

    def of(self, target: Target) -> Sender:
        """The sender for a device. Raises TargetRefused when its platform isn't set up."""
        if not isinstance(target, Device):
            return self._web
        sender = self._native.get(target.platform)
        if sender is None:
            raise TargetRefused(f"{target.platform} is not set up")
        return sender
