"""Entry point of `python -m services.gateway`."""

from services.gateway.app import main
from shared.lifecycle import run

run(main)
