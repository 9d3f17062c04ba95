"""Messages with uploads: one transaction stores the message and attaches its uploads."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

import asyncpg
import msgspec

from services.messaging.stores.appended import Appended, Draft
from services.messaging.stores.sql import DELETED_KEYS
from shared.protocol.errors import ErrorCode
from shared.protocol.payloads import has_uploads
from shared.uploads import UploadSigner, claims
from shared.uploads.claims import Claim, Connection, Resolved

_LOCK: Final = "SELECT FROM messaging.conversations WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"
"""Conversations are locked before uploads, as deletions do it. Otherwise a repeated message and its deletion could wait for each
other. What others have stored with the same keys is seen after that.
"""
Executor: TypeAlias = "Connection | asyncpg.Pool[asyncpg.Record]"
_NEVER: Final = datetime.fromtimestamp(0, UTC)


async def append_with_uploads(
    connection: Connection,
    drafts: Sequence[Draft],
    append: Callable[[Sequence[Draft]], Awaitable[list[Appended]]],
    signer: UploadSigner | None,
) -> list[Appended]:
    """Attach the uploads that `drafts` name, `append` the messages whose uploads are valid, and return the results in order.

    The caller holds the transaction. Without a signer there are no uploads here. Raises what asyncpg raises.

    A deleted message has no uploads any more. When it is sent again, it counts as a repetition, although its body can't be
    compared.
    """
    await connection.execute(_LOCK, list({draft.send.conversation_id for draft in drafts}))
    resolved = await _resolve(connection, drafts, signer)
    deleted = await _deleted(connection, {place: drafts[place] for place, found in resolved.items() if found.refusal})
    taken = {
        place: draft if place not in resolved or place in deleted else _with_media(draft, resolved[place])
        for place, draft in enumerate(drafts)
        if place not in resolved or resolved[place].refusal is None or place in deleted
    }
    appended = dict(zip(taken, await append(list(taken.values())) if taken else [], strict=True))
    await claims.use(
        connection,
        [
            (upload_id, appended[place].seq, drafts[place].key)
            for place, found in resolved.items()
            if found.refusal is None and appended[place].verdict == "new"
            for upload_id in found.upload_ids
        ],
    )
    results = []
    for place in range(len(drafts)):
        found = resolved.get(place)
        if found is None:
            results.append(appended[place])
        elif place in deleted:
            results.append(appended[place]._replace(verdict="repeated"))
        elif found.refusal is not None:
            results.append(_refused(found.refusal))
        else:
            media = found.media if signer is None else signer.sign_media(found.media)
            results.append(appended[place]._replace(media=media))
    return results


async def _resolve(connection: Connection, drafts: Sequence[Draft], signer: UploadSigner | None) -> dict[int, Resolved]:
    """Return index → the draft's uploads, for drafts that name some."""
    named = {
        place: Claim(draft.send.user_id, draft.send.conversation_id, draft.key, draft.send.media)
        for place, draft in enumerate(drafts)
        if draft.send.media is not None and has_uploads(draft.send.media)
    }
    if signer is None:
        return {place: Resolved(claim.media, (), ErrorCode.UPLOAD_NOT_FOUND) for place, claim in named.items()}
    return dict(zip(named, await claims.resolve(connection, list(named.values())), strict=True))


async def _deleted(connection: Connection, drafts: Mapping[int, Draft]) -> set[int]:
    """Return the indexes of drafts whose message was stored before and then deleted."""
    if not drafts:
        return set()
    places = list(drafts)
    columns = zip(*[(each.send.conversation_id, each.send.user_id, each.key) for each in drafts.values()], strict=True)
    rows = await connection.fetch(DELETED_KEYS, *map(list, columns))
    return {places[row["position"] - 1] for row in rows}


def _with_media(draft: Draft, found: Resolved) -> Draft:
    return draft._replace(send=msgspec.structs.replace(draft.send, media=found.media))


def _refused(code: ErrorCode) -> Appended:
    """Return the result of a refusal; the fields after the verdict have no meaning."""
    return Appended("", code, 0, _NEVER, "", 0, 0, False, False, None, None, None)
