"""Code that only some systems have stands behind a guard, and every dependency has wheels for macOS and Windows."""

import ast
import sys
from pathlib import Path

import pytest

import wildrobot_eqx

ROOT = Path(wildrobot_eqx.__file__).parent
TOOLS = Path(__file__).parents[1] / "tools"
OS = {
    *("fork", "forkpty", "getuid", "geteuid", "getgid", "getpgid", "killpg", "setsid", "setpgrp", "openpty", "mkfifo"),
    *(
        "sched_getaffinity",
        "sched_setaffinity",
        "sysconf",
        "uname",
        "nice",
        "wait",
        "WEXITSTATUS",
        "chown",
        "getloadavg",
    ),
}
ELSEWHERE = {
    "os": OS,
    "signal": {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "alarm", "setitimer", "pause", "pthread_kill"},
    "time": {"clock_gettime", "CLOCK_BOOTTIME", "CLOCK_MONOTONIC", "tzset"},
    "socket": {"AF_UNIX"},
}
MODULES = {
    "fcntl",
    "termios",
    "resource",
    "pwd",
    "grp",
    "pty",
    "tty",
    "syslog",
    "msvcrt",
    "winreg",
    "winsound",
    "curses",
}
PLACES = ("/proc", "/dev/", "/sys/", "/etc/", "/tmp")
FORKING = {"preexec_fn", "pass_fds"}
GUARDS = {"AttributeError", "ImportError", "ModuleNotFoundError", "Exception"}


def unguarded(tree: ast.AST) -> list[str]:
    """What only some systems have, outside of a `try` that catches its absence and of a test of `os.name`."""
    found: list[str] = []

    def visit(node: ast.AST, safe: bool) -> None:
        if not safe and (name := _special(node)):
            found.append(f"{name} in line {node.lineno}")
        if isinstance(node, ast.Try):
            caught = {one.id for handler in node.handlers for one in ast.walk(handler) if isinstance(one, ast.Name)}
            for child in node.body:
                visit(child, safe or bool(caught & GUARDS))
            for child in (*node.handlers, *node.orelse, *node.finalbody):
                visit(child, safe)
        elif isinstance(node, ast.If | ast.IfExp) and _asks_for_the_system(node.test):
            for child in ast.iter_child_nodes(node):
                visit(child, True)
        else:
            for child in ast.iter_child_nodes(node):
                visit(child, safe)

    visit(tree, False)
    return found


def _special(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return ast.unparse(node) if node.attr in ELSEWHERE.get(node.value.id, ()) else ""
    if isinstance(node, ast.Import):
        return next((alias.name for alias in node.names if alias.name in MODULES), "")
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return node.module if node.module in MODULES else ""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
        return repr(node.value) if node.value.startswith(PLACES) else ""
    return node.arg if isinstance(node, ast.keyword) and node.arg in FORKING else ""


def _asks_for_the_system(test: ast.expr) -> bool:
    return any(word in ast.unparse(test) for word in ("os.name", "sys.platform", "hasattr"))


def test_what_only_some_systems_have_is_guarded():
    wrong = {}
    for path in sorted(ROOT.rglob("*.py")):
        if found := unguarded(ast.parse(path.read_text(encoding="utf-8"))):
            wrong[str(path.relative_to(ROOT))] = found
    assert wrong == ALLOWED


ALLOWED: dict[str, list[str]] = {}
"""What stands without a guard, and must not grow."""


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("import fcntl", 1),
        ("from pwd import getpwuid", 1),
        ("import os\nos.fork()", 1),
        ("import os\nos.getpid()", 0),
        ("subprocess.run([], preexec_fn=f)", 1),
        ("open('/proc/self/stat')", 1),
        ("try:\n    os.getuid()\nexcept AttributeError:\n    pass", 0),
        ("try:\n    os.getuid()\nexcept OSError:\n    pass", 1),
        ("try:\n    pass\nexcept AttributeError:\n    os.getuid()", 1),
        ("if os.name == 'posix':\n    os.fork()", 0),
        ("signal.signal(signal.SIGUSR1, f)", 1),
    ],
)
def test_the_search_finds_it(code, count):
    assert len(unguarded(ast.parse(code))) == count


@pytest.fixture
def registry(monkeypatch):
    """tools/registry.py."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import registry

    yield registry
    for name in ("registry", "pythons"):
        sys.modules.pop(name, None)


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["macOS arm64", "Windows", "Linux"])
def test_every_dependency_has_wheels(registry, platform):
    try:
        assert registry.lacking(platform, "3.12", registry.closure()) == []
    except registry.UnreachableError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_no_release_is_beyond_its_bound(registry):
    """A failure names the release, and what to run."""
    try:
        found = registry.newest()
    except registry.UnreachableError as error:
        pytest.skip(str(error))
    assert registry.beyond(found, registry.bounds()) == []


def test_a_release_beyond_its_bound_is_named_with_what_to_run(registry):
    allowed = {"jax": ("0.9", "0.13"), "numpy": ("2.0", "3")}
    assert registry.beyond({"jax": "0.12.9", "numpy": "2.9.1", "other": "9"}, allowed) == []
    (line,) = registry.beyond({"jax": "0.13.0", "numpy": "2.9.1"}, allowed)
    assert line.startswith("jax 0.13.0 is out")
    assert "make test-newest" in line
