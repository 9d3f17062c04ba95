#!/bin/sh
# Starts the process that SERVICE names, as process 1's successor: signals reach it, its status is the container's.
case "${SERVICE:-}" in
gateway | messaging | presence | notifier | media | admin | webhooks) module="services.$SERVICE" ;;
migrations) module=migrations ;;
devserver) module=tools.devserver ;;
*)
    echo "SERVICE: set it to gateway, messaging, presence, notifier, media, admin, webhooks, migrations or devserver, not '${SERVICE:-}'" >&2
    exit 2
    ;;
esac
exec python -m "$module" "$@"
