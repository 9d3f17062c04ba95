"""Entry point of `python -m services.presence`."""

from shared.imports import without_garbage_collection

with without_garbage_collection():
    from services.presence.app import main
    from shared.lifecycle import run

if __name__ == "__main__":
    run(main)
