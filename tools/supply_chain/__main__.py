"""`python -m tools.supply_chain [FILE]`: what the services' image holds, its SBOM in FILE; fails for a licence not allowed."""

import sys
from pathlib import Path

from tools.supply_chain.distributions import components
from tools.supply_chain.licences import is_allowed
from tools.supply_chain.sbom import document


def main() -> None:
    """Exits with 1, naming the distributions, when a licence isn't allowed."""
    found = components()
    for one in found:
        print(f"{one.name:<32} {one.version:<16} {one.licence}")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(document(found), encoding="utf-8")
    if refused := [one for one in found if not is_allowed(one.name, one.licence)]:
        sys.exit(
            "not allowed by tools/supply_chain/licences.py: "
            + ", ".join(f"{one.name} ({one.licence})" for one in refused)
        )


if __name__ == "__main__":
    main()
