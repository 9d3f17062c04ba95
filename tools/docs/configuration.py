"""`docs/configuration.md`: every setting, from the services' declarations."""

import re
from importlib import import_module
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from shared.settings import ServiceSettings
from tools.devserver import DevserverSettings
from tools.devtoken import LOCAL_SECRET, LOCAL_WEBHOOK_SECRET
from tools.stack import ladder, plan, ports

SERVICES = ("gateway", "messaging", "presence", "notifier", "media", "admin", "webhooks")
TOOL: Final = {
    "CHAT_URL": ("–", "`chatctl` and the probe come in by this origin. Unset: by that of the local stack."),
    "CHAT_PROBE_TOKEN_URL": (
        "–",
        "The probe gets its tokens from this token endpoint (OAuth 2.0 client credentials). "
        "Unset: it signs them with `CHAT_JWT_SECRET`.",
    ),
    "CHAT_PROBE_CLIENTS": ("–", "The probe's two users: `id:secret,id:secret`. Needed with `CHAT_PROBE_TOKEN_URL`."),
    "CHAT_PROBE_METRICS": (
        "–",
        "The probe's metrics go here: the URL of a Pushgateway, or a file for node_exporter's textfile collector.",
    ),
    "CHAT_PROBE_PUSH_ORIGIN": (
        "–",
        "The probe tries a push, too, at this origin of `CHAT_PUSH_ALLOWED_HOSTS`, which leads to its listener.",
    ),
    "CHAT_PROBE_PUSH_LISTEN": ("`127.0.0.1:8001`", "The probe listens for pushes at this address."),
}
"""What `chatctl` reads besides the services' settings → (default, meaning)."""
COMPOSE: Final = {
    "CHAT_ENV_FILE": ("`chat.env`", "This file has the services' settings."),
    "CHAT_PORT": ("`8080`", "HAProxy listens on this port of 127.0.0.1, without TLS."),
    "CHAT_ADMIN_PORT": ("`8090`", "The server API listens on this port of 127.0.0.1."),
    "CHAT_TLS_FOLDER": ("required with `tls.yml`", "HAProxy reads certificates from this folder."),
    "CHAT_TLS_ADDRESS": ("`127.0.0.1`", "HAProxy listens on this address, with TLS."),
    "CHAT_TLS_PORT": ("`8443`", "HAProxy listens on this port, with TLS."),
    "HAPROXY_TOKEN_BURST": (
        "`150`",
        "HAProxy refuses more requests of one token in 2 s. Raise it with `CHAT_REST_BURST`.",
    ),
    "HAPROXY_TOKEN_REQUESTS": (
        "`350`",
        "HAProxy refuses more requests of one token in 10 s. Raise it with `CHAT_REST_REQUESTS_PER_SECOND`.",
    ),
    "HAPROXY_TOKEN_HANDSHAKES": (
        "`75`",
        "HAProxy refuses more handshakes of one token in 10 s. Raise it with `CHAT_HANDSHAKES_PER_MINUTE`.",
    ),
    "PROMETHEUS_PORT": ("`9090`", "Prometheus listens on this port of 127.0.0.1 (profile `monitoring`)."),
    "GRAFANA_PORT": ("`3000`", "Grafana listens on this port of 127.0.0.1 (profile `monitoring`)."),
    "CHAT_IMAGE": ("`chat:local`", "The services' image."),
    "CHAT_MIGRATIONS_IMAGE": ("`chat-migrations:local`", "The image of the migrations."),
    "CHATCTL_IMAGE": ("`chatctl:local`", "The image of the operator's tool."),
    "CHAT_DEV_IMAGE": ("`chat-dev:local`", "The image of the example page."),
}
"""What docker-compose.yml and deploy/compose/tls.yml read from the shell or from `.env` → (default, meaning)."""


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
    lines += ["", "## The operator's tool and the probe", "", *_rows(TOOL)]
    lines += ["", "## Docker Compose", ""]
    lines += [
        "The services' settings are in `chat.env`; Compose itself reads these from the shell, or from `.env`.",
        "The images of the backends, of HAProxy and of what monitors them are variables in `docker-compose.yml`.",
        "",
        *_rows(COMPOSE),
    ]
    lines += ["", "## The local stack", "", *_local_stack()]
    return "\n".join(lines) + "\n"


def names() -> str:
    """Return every variable of the page, one a line. A service warns of any other `CHAT_*` variable."""
    return "\n".join(sorted(set(re.findall(r"CHAT_[A-Z0-9_]*[A-Z0-9]", text())))) + "\n"


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


def _rows(variables: dict[str, tuple[str, str]]) -> list[str]:
    rows = [f"| `{name}` | {usual} | {meaning} |" for name, (usual, meaning) in variables.items()]
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
