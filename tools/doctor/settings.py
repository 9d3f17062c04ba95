"""Checks the services' settings as at their start, and compares them with the needs of production."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError

from shared.public_secret import PUBLIC_SECRET
from shared.settings import ServiceSettings, known_names
from tools.doctor.findings import Report
from tools.doctor.situation import Situation

CONFIGURATION: Final = "docs/configuration.md lists every setting"
SAME_EVERYWHERE: Final = ("CHAT_REDIS_PARTITIONS", "CHAT_LEASE_SECONDS", "CHAT_UPLOAD_SIGNING_KEYS", "CHAT_PUBLIC_URL")
"""Settings that must be equal in all services (docs/configuration.md)."""


def examine(report: Report, found: Situation, classes: Mapping[str, type[ServiceSettings]]) -> None:
    """Look at the settings. `classes`: service → what it declares."""
    given = {name: own for name, own in found.settings.items() if own}
    faults = _faults(given, classes)
    for fault, services in faults.items():
        report.fault(f"{', '.join(services)}: {fault}", CONFIGURATION)
    if given and not faults:
        report.ok(f"every setting is valid for {', '.join(given)}")
    _unknown(report, given)
    _disagreements(report, given)
    _for_production(report, found)


def _faults(
    given: Mapping[str, Mapping[str, str]], classes: Mapping[str, type[ServiceSettings]]
) -> dict[str, list[str]]:
    """Fault → the services that would not start because of it."""
    faults: dict[str, list[str]] = {}
    for service, own in given.items():
        for fault in faults_of(classes[service], own):
            faults.setdefault(fault, []).append(service)
    return faults


def faults_of(settings: type[ServiceSettings], variables: Mapping[str, str]) -> list[str]:
    """What is wrong with these variables, each fault with the variable's name."""
    values = {name.removeprefix("CHAT_").lower(): value for name, value in variables.items() if value != ""}
    known = {name: value for name, value in values.items() if name in settings.model_fields}
    # Only from these variables, because this process's own environment may be that of another system.
    isolated = type(settings.__name__, (settings,), {"settings_customise_sources": classmethod(_given_only)})
    try:
        isolated(**known)
    except ValidationError as error:
        return [
            ("CHAT_" + "_".join(str(part) for part in fault["loc"]).upper() + ": " if fault["loc"] else "")
            + fault["msg"]
            for fault in error.errors(include_input=False, include_url=False)
        ]
    return []


def _given_only(_cls: Any, _settings: Any, init_settings: Any, *_others: Any, **_named: Any) -> tuple[Any, ...]:
    return (init_settings,)


def _unknown(report: Report, given: Mapping[str, Mapping[str, str]]) -> None:
    known = set(known_names())
    for name in sorted({name for own in given.values() for name in own} - known):
        close = get_close_matches(name, known, 1)
        report.note(f"nothing reads {name}", f"did you mean {close[0]}?" if close else "remove it, or mend its name")


def _disagreements(report: Report, given: Mapping[str, Mapping[str, str]]) -> None:
    for name in SAME_EVERYWHERE:
        values = {own.get(name, "") for own in given.values()}
        if len(values) > 1:
            report.fault(f"{name} differs between services", "give it the same value everywhere")


def _for_production(report: Report, found: Situation) -> None:
    if found.setting("CHAT_JWT_SECRET") == PUBLIC_SECRET:
        report.note(
            "tokens are signed with the development secret, which everybody knows",
            "set CHAT_JWKS_URL, or a CHAT_JWT_SECRET of your own, before others reach this system",
        )
    elif found.setting("CHAT_JWKS_URL") and not found.setting("CHAT_JWT_AUDIENCE"):
        report.note("tokens for other applications of your identity provider are taken, too", "set CHAT_JWT_AUDIENCE")
    if not found.setting("CHAT_ALLOWED_ORIGINS"):
        report.note("pages of any origin may connect", "name yours in CHAT_ALLOWED_ORIGINS")
