"""Entry point of `python -m services.webhooks`."""

from services.webhooks.app import main
from shared.lifecycle import run

if __name__ == "__main__":
    run(main)
