"""Statements from `.sql` files."""

from importlib.resources import files


def load_sql(package: str, name: str) -> str:
    """Return the text of `<package>/sql/<name>.sql`."""
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
