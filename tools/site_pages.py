"""What the documentation site has beside docs/: the README, the changelog, robots' pages, and an API reference.

MkDocs calls the two functions (`hooks` in mkdocs.yml). The reference is made from the source as text: nothing of the
package is imported, and a public name is what `wildrobot_eqx/__init__.py` or a namespace's `__all__` names.
"""

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "wildrobot_eqx"
BESIDE = {  # what docs/ links to outside of itself, and where the site has it
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "LICENSE": "license.txt",
    "robots/microduck/README.md": "robots/microduck.md",
    "src/wildrobot_eqx/learn/mesh.py": "source/mesh.py",
}
_LINK = re.compile(r"(\]\()([^)#\s]+)([^)]*\))")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made here."""
    for source, target in BESIDE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=_moved(text, source, target)))
    for name, text in reference().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links that leave docs/ to where the site has what they name."""
    if page.file.generated_by:
        return markdown
    return _moved(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)


def _moved(text: str, source: str, target: str) -> str:
    """Links of a file of the repository, as they must read in the page `target` of the site."""

    def moved(found: re.Match[str]) -> str:
        link = found[2]
        if ":" in link:
            return found[0]
        named = _normal(f"{Path(source).parent.as_posix()}/{link}")
        place = named.removeprefix("docs/") if named.startswith("docs/") else BESIDE.get(named, link)
        up = "../" * target.count("/")
        return f"{found[1]}{up}{place}{found[3]}"

    return _LINK.sub(moved, text)


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in (".", ""):
            parts.append(part)
    return "/".join(parts)


def reference() -> dict[str, str]:
    """The pages of the API reference by name: the flat core, and one for each namespace."""
    core = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    exports, namespaces = _constant(core, "_EXPORTS"), _constant(core, "_NAMESPACES")
    names = sorted({name for group in exports.values() for name in group})
    listed = "".join(f"- [`we.{name}`]({name}.md)\n" for name in namespaces)
    start = f"# API reference\n\n`import wildrobot_eqx as we`. The namespaces:\n\n{listed}\n## The core\n\n"
    return {"index": start + _entries("wildrobot_eqx", names)} | {name: _namespace(name) for name in namespaces}


def _namespace(name: str) -> str:
    file = PACKAGE / f"{name}.py"
    tree = ast.parse((file if file.is_file() else PACKAGE / name / "__init__.py").read_text(encoding="utf-8"))
    about = (ast.get_docstring(tree) or "").strip()
    return f"# we.{name}\n\n{about}\n\n" + _entries(f"wildrobot_eqx.{name}", _public(tree))


def _public(tree: ast.Module) -> list[str]:
    """What `__all__` or a table of names that load on first use names; else what it defines or takes as its own."""
    listed, exports = _constant(tree, "__all__"), _constant(tree, "_EXPORTS")
    if listed is not None or exports is not None:
        return sorted(listed or {name for group in exports.values() for name in group})
    names = [node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names += [alias.asname for alias in node.names if alias.asname == alias.name]
    return sorted(name for name in names if name and not name.startswith("_"))


def _constant(tree: ast.Module, name: str) -> Any:
    """The value that a module gives a name; None where it gives none, or computes it."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                return None
    return None


def _entries(module: str, names: list[str]) -> str:
    return "".join(f"::: {module}.{name}\n\n" for name in names)
