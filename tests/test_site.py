"""The documentation as a site: it builds strictly, with a page for every namespace and no address of another site."""

import html.parser
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import wildrobot_eqx as we

ROOT = Path(__file__).parents[1]


class Page(html.parser.HTMLParser):
    """What a page loads when it is opened, and the ids that it has."""

    def __init__(self, text: str):
        super().__init__()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        if tag in ("script", "img", "video", "iframe"):
            self.loads.append(found.get("src") or "")
        if tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loads.append(found.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    if any(importlib.util.find_spec(name) is None for name in ("mkdocs", "material", "mkdocstrings")):
        pytest.skip("the extra docs is not installed")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return out


@pytest.mark.slow
def test_every_public_name_has_an_entry(site):
    core = Page((site / "reference" / "index.html").read_text(encoding="utf-8"))
    namespaces = [name for name in we.__all__ if (site / "reference" / f"{name}.html").is_file()]
    missing = [n for n in we.__all__ if f"wildrobot_eqx.{n}" not in core.ids and n not in (*namespaces, "__version__")]
    for room in namespaces:
        page = Page((site / "reference" / f"{room}.html").read_text(encoding="utf-8"))
        names = getattr(importlib.import_module(f"wildrobot_eqx.{room}"), "__all__", [])
        missing += [f"{room}.{name}" for name in names if f"wildrobot_eqx.{room}.{name}" not in page.ids]
    assert missing == []
    assert len(namespaces) >= 19


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for path in pages:
        page = Page(path.read_text(encoding="utf-8"))
        assert [link for link in page.loads if link.startswith(("http:", "https:", "//"))] == [], path
