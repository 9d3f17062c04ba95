"""The server API: `/chat/admin`, for the platform's own back end.

The path of a call: `authentication` verifies the service token (scope `chat.admin`); `audit` records who asks for what, and the
result; `rest` has the paths, with the bodies of `schemas`. Admin itself changes the directory of users. For everything else it
asks the service that owns the data, by `shared.requests`.
"""
