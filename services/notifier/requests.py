"""The server API's requests to the notifier: export and erasure of a user's data."""

import msgspec

from services.notifier.push_settings import PushSettingsStore
from services.notifier.schemas import SettingsBody
from services.notifier.user_data import UserData
from shared.protocol.codec import instant, json_encoder
from shared.protocol.requests import Done, EraseUser, ExportPage, NotifierRequest


class Requests:
    """Carries the requests out. Every method raises what asyncpg raises, and may be repeated after that."""

    def __init__(self, data: UserData, settings: PushSettingsStore) -> None:
        self._data = data
        self._settings = settings

    async def handle(self, request: NotifierRequest, _again: bool) -> msgspec.Struct:
        """Carry out one request, and return its answer. One page holds all of a user's data."""
        if isinstance(request, EraseUser):
            await self._data.erase(request.user_id)
            return Done()
        return ExportPage(await self._export(request.user_id))

    async def _export(self, user_id: str) -> list[str]:
        settings = SettingsBody.of(await self._settings.get(user_id)).push.model_dump(by_alias=True)
        lines: list[dict[str, object]] = [{"kind": "pushSettings", **settings}]
        lines += [
            {"kind": "pushDevice", "platform": platform, "address": address, "createdAt": instant(created_at)}
            for platform, address, created_at in await self._data.devices(user_id)
        ]
        return [json_encoder.encode(line).decode() for line in lines]
