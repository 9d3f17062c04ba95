"""What the site of the documents adds to `docs/`: the README as its first page, and the decisions in the navigation.

mkdocs calls these functions by their names (`mkdocs.yml`).
"""

import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[2]
_LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List every decision."""
    decisions = sorted(path.name for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    config.nav = [*(config.nav or []), {"Decisions": [f"decisions/{name}" for name in decisions]}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Make the README the first page."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show links to what isn't on the site, such as the clients' sources, as their text."""
    folder = Path(config.docs_dir, page.file.src_uri).parent

    def keep_or_unlink(link: re.Match[str]) -> str:
        target = link[2].partition("#")[0]
        on_site = (
            not target or ":" in target or (folder / target).is_file() or files.get_file_from_path(target) is not None
        )
        return link[0] if on_site else link[1]

    return _LINK.sub(keep_or_unlink, markdown)
