"""The server API: `/chat/admin`, for the platform's own back end.

A call's way: `authentication` takes the service token (scope `chat.admin`); `audit` writes down who asks for what, and how it
ended; `rest` has the paths, with the bodies of `schemas`. What concerns the directory of users is done here; the rest is
asked of the service that owns the data, by `shared.requests`.
"""
