"""`python -m migrations`: upgrade the database at `CHAT_DATABASE_URL` to the newest schema.

It may run in several places at once.
"""

import os
import sys
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config

from shared.postgres import TRANSIENT_ERRORS, AddressError, parse

DATABASE_AWAY: Final = 75
"""Exit status that means «try again» (EX_TEMPFAIL of sysexits.h). Other failures are permanent."""


def main() -> None:
    """Upgrade to the newest revision.

    Exits with a message when no URL is set or libpq would refuse it, and with `DATABASE_AWAY` when the database doesn't answer.
    """
    if not os.environ.get("CHAT_DATABASE_URL"):
        sys.exit("CHAT_DATABASE_URL: set it to the database to migrate")
    try:
        parse(os.environ["CHAT_DATABASE_URL"])
    except AddressError as error:
        sys.exit(f"CHAT_DATABASE_URL: {error}")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    try:
        command.upgrade(config, "head")
    except TRANSIENT_ERRORS as error:
        print(f"the database doesn't answer: {error!r}", file=sys.stderr)  # noqa: T201 - this is what the log is for
        sys.exit(DATABASE_AWAY)


if __name__ == "__main__":
    main()
