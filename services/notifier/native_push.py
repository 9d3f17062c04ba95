"""The configured native platforms."""

import asyncio

from services.notifier.delivery.senders import Sender
from services.notifier.devices import Platform
from services.notifier.native.apns import ApnsSender, ApnsTokens
from services.notifier.native.fcm import FcmAccount, FcmSender
from services.notifier.native.http2 import NativeClient
from services.notifier.settings import NotifierSettings


class NativePush:
    """A sender and a pool of connections for each platform with a key; nothing for the others."""

    def __init__(self, settings: NotifierSettings) -> None:
        self.senders: dict[Platform, Sender] = {}
        self._clients: list[NativeClient] = []
        ttl, timeout = settings.push_ttl_seconds, settings.push_timeout_seconds
        if settings.fcm_credentials is not None:
            account = FcmAccount(settings.fcm_credentials.get_secret_value(), timeout)
            self.senders[Platform.FCM] = FcmSender(self._client(settings.fcm_url, timeout), account, ttl)
        if settings.apns_key is not None:
            client, tokens = self._client(settings.apns_url, timeout), ApnsTokens(settings.apns_signing_key)
            self.senders[Platform.APNS] = ApnsSender(client, tokens, settings.apns_topics[0], ttl)

    async def aclose(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(client.aclose() for client in self._clients))

    def _client(self, origin: str, timeout_seconds: float) -> NativeClient:
        client = NativeClient(origin, timeout_seconds)
        self._clients.append(client)
        return client
