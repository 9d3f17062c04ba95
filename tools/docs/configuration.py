"""`docs/configuration.md`: every setting, from the services' declarations."""

import re
from importlib import import_module
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from shared.settings import ServiceSettings
from tools.devserver import DevserverSettings
from tools.devtoken import LOCAL_SECRET, LOCAL_WEBHOOK_SECRET
from tools.stack import ladder, plan, ports

SERVICES = ("gateway", "messaging", "presence", "notifier", "media", "admin", "webhooks")


def settings_of(service: str) -> type[ServiceSettings]:
    """Return the settings class of a service. Raises LookupError when there is none, or several."""
    module = import_module(f"services.{service}.settings")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ServiceSettings) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise LookupError(f"services.{service}.settings declares {len(found)} settings classes")
    return found[0]


def text() -> str:
    """The whole page."""
    own = {service: settings_of(service) for service in SERVICES}
    lines = [
        "# Configuration",
        "",
        "Services read these environment variables once, at start.",
        "If one is missing or wrong, the process stops and names it.",
        "`make docs` generates this page from the code.",
        "",
        "Separate the items of a list by commas.",
        "Durations are in seconds, and sizes in bytes.",
        "",
        "## Every service",
        "",
        *_table(ServiceSettings.model_fields),
    ]
    for service, settings in own.items():
        fields = {
            name: field for name, field in settings.model_fields.items() if name not in ServiceSettings.model_fields
        }
        lines += ["", f"## {service}", "", *(_table(fields) if fields else ["Nothing of its own."])]
    lines += ["", "## The local stack", "", *_local_stack()]
    return "\n".join(lines) + "\n"


def names() -> str:
    """Return every variable of the page, one a line. A service warns of any other `CHAT_*` variable."""
    # Read by Docker Compose, the tests, and `chatctl`.
    others = {
        *("CHAT_DEV_IMAGE", "CHAT_IMAGE", "CHAT_URL", "CHAT_ADMIN_PORT", "CHAT_ENV_FILE", "CHAT_MIGRATIONS_IMAGE"),
        *("CHAT_TLS_FOLDER", "CHAT_TLS_ADDRESS", "CHAT_TLS_PORT"),
        *("CHAT_PROBE_TOKEN_URL", "CHAT_PROBE_CLIENTS", "CHAT_PROBE_METRICS"),
        *("CHAT_PROBE_PUSH_ORIGIN", "CHAT_PROBE_PUSH_LISTEN"),
    }
    return "\n".join(sorted({*re.findall(r"CHAT_[A-Z0-9_]*[A-Z0-9]", text()), *others})) + "\n"


def _local_stack() -> list[str]:
    """Return the section on what `make run` and `make up` read besides the services' settings, and what they set."""
    replicas = [
        f"| `{variable}` | `{usual}` | This number of replicas of {service} is started. |"
        for service, (variable, usual) in plan.REPLICAS.items()
    ]
    login, own_secret = (DevserverSettings.model_fields[name] for name in ("dev_login", "dev_login_own_secret"))
    return [
        "`make run` and `make up` pass every `CHAT_*` variable to the services, and read these:",
        "",
        "| variable | default | meaning |",
        "| --- | --- | --- |",
        f"| `CHAT_PORT` | `{plan.DEFAULT_PORT}` | Clients connect to this port of the load balancer. |",
        f"| `CHAT_DEV_LOGIN` | `true` | {login.description} |",
        f"| `CHAT_DEV_LOGIN_OWN_SECRET` | `false` | {own_secret.description} |",
        *replicas,
        f"| `{ladder.WISH}` | `auto` | `auto` uses Docker if it has all images, `native` never, `docker` always. |",
        "| `STACK_HOME` | `.local` | This folder has data, logs and `stack.json`. Two stacks of one checkout need two. |",
        f"| `{ports.RANGE}` | `{ports.LOWEST}-{ports.HIGHEST}` | Private servers and services use ports from this range. |",
        "",
        "Variables that you don't set get these values:",
        "",
        f"- `CHAT_JWT_SECRET={LOCAL_SECRET}`, which is public, so never use it in production;",
        f"- `CHAT_WEBHOOK_SECRET={LOCAL_WEBHOOK_SECRET}`, which is public too;",
        "- `CHAT_ALLOWED_ORIGINS` allows any port of this machine, and `CHAT_PUBLIC_URL` is its own address;",
        "- `CHAT_UPLOAD_SIGNING_KEYS` and `CHAT_VAPID_PRIVATE_KEY` are keys that the stack makes once;",
        "- `CHAT_UPLOAD_STORE` is a folder under `.local`;",
        "- `CHAT_PUSH_PER_SECOND=200`, since the chat runs on the same cores;",
        "- `CHAT_LOG_FORMAT=console` and `CHAT_DRAIN_SECONDS=1`.",
        "",
        "If you set `CHAT_DATABASE_URL`, `CHAT_AMQP_URL` or `CHAT_REDIS_URLS`, that server is used instead of a private one.",
    ]


def _table(fields: dict[str, FieldInfo]) -> list[str]:
    rows = [
        f"| `CHAT_{name.upper()}` | {_default(field)} | {(field.description or '').replace('|', '/')} |"
        for name, field in fields.items()
    ]
    return ["| variable | default | meaning |", "| --- | --- | --- |", *rows]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None and field.default is PydanticUndefined:
        value: Any = field.get_default(call_default_factory=True, validated_data={})
        return "generated" if isinstance(value, str) else _shown(value)
    return _shown(field.default)


def _shown(value: Any) -> str:
    if value is None or value in ("", [], ()):
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list | tuple | frozenset | set):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value}`"
