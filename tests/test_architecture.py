"""The walls: who may import whom, and who owns the outside world. One case a module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "server" / "pagefault"
if not PACKAGE.is_dir():  # the tests run beside an installed wheel
    import pagefault

    PACKAGE = Path(pagefault.__file__).parent

# From the roof down. Rooms on one floor do not know each other.
FLOORS = (
    ("__main__",),
    ("cli",),
    ("surface",),
    ("ledger", "calls"),
    ("memory",),
    ("residency",),
    ("paging", "bindings", "guards", "procedures", "stores"),
    ("index",),
    ("base",),
)
PURE = ("paging", "bindings", "guards", "procedures")  # they decide, and wait for nothing
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Who may import a package from outside: the rooms or modules whose path begins so.
OWNERS = {
    "mcp": ("surface", "cli/demo"),
    "mcp_types": ("surface",),
    "starlette": ("surface/transport",),
    "uvicorn": ("surface/transport",),
    "apsw": ("stores/sqlite", "index", "cli/doctor"),
    "redis": ("stores/redis",),
    "PIL": ("paging/levels/thumbnail",),
    "jsonschema": ("guards/schema",),
    "tiktoken": ("base/tokens", "base/vocabulary"),
    "secrets": ("base/clock", "surface/transport/tokens", "surface/transport/bearer"),
    "random": (),
    "uuid": (),
    "time": ("base/clock",),
    "sqlite3": (),
}

# Calls that only one module may make: the clock, the environment.
CALLS = {
    ("datetime", "now"): ("base/clock",),
    ("datetime", "utcnow"): (),
    ("os", "environ"): ("base/config",),
    ("os", "getenv"): (),
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def path_of(module: Path) -> str:
    return module.relative_to(PACKAGE).with_suffix("").as_posix().removesuffix("/__init__")


def room_of(path: str) -> str:
    return path.split("/")[0]


def imports(tree: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def target(module: Path, node: ast.ImportFrom) -> str:
    """The path inside the package that a relative import names."""
    folder = module.parent
    for _ in range(node.level - 1):
        folder = folder.parent
    parts = folder.relative_to(PACKAGE).as_posix().split("/") if folder != PACKAGE else []
    return "/".join([*parts, *(node.module or "").split(".")]).strip("/")


def allowed(path: str, owners: tuple[str, ...]) -> bool:
    return any(path == owner or path.startswith(f"{owner}/") for owner in owners)


@pytest.mark.parametrize("module", MODULES, ids=path_of)
def test_a_module_imports_only_from_its_own_room_or_from_below(module: Path) -> None:
    path = path_of(module)
    own = room_of(path)
    if own in (".", "__init__", ""):
        return
    for node in imports(ast.parse(module.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        other = room_of(target(module, node))
        if other in ("", own):
            continue
        assert other in FLOOR_OF, f"{path} imports from {other}, which is no room"
        assert FLOOR_OF[other] > FLOOR_OF[own], f"{path} imports {other}, which is not below it"


@pytest.mark.parametrize("module", MODULES, ids=path_of)
def test_a_package_from_outside_is_imported_only_by_its_owner(module: Path) -> None:
    path = path_of(module)
    for node in imports(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if node.level == 0 else []
        else:
            names = [alias.name for alias in node.names]
        for name in names:
            top = name.split(".")[0]
            assert top != "pagefault", f"{path}: imports inside the package are relative"
            owners = OWNERS.get(top)
            assert owners is None or allowed(path, owners), f"{path} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=path_of)
def test_clock_and_environment_have_one_owner(module: Path) -> None:
    path = path_of(module)
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owners = CALLS.get((node.value.id, node.attr))
            assert owners is None or allowed(path, owners), f"{path} uses {ast.unparse(node)}"


@pytest.mark.parametrize("module", [m for m in MODULES if room_of(path_of(m)) in PURE], ids=path_of)
def test_a_pure_room_never_awaits(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    waiting = [n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef | ast.Await)]
    assert not waiting
