"""Entry point of `python -m services.admin`."""

from services.admin.app import main
from shared.lifecycle import run

if __name__ == "__main__":
    run(main)
