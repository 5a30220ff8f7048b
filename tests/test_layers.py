"""Hold the architecture: who may import whom, and where each package may occur (style.md §6.3)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BASE = {"bcss", "errors", "clock", "money", "wire"}
VENDOR = BASE | {"reply", "request", "http"}
RECORDS = {"shipstation.records", "businesscentral.records"}
PURE = BASE | RECORDS | {"config.schema", "holds", "units"}

# The longest matching name owns a module; the set is what it may import of bcss.
LAYERS: dict[str, set[str]] = {
    "": set(),
    "__main__": BASE | {"cli"},
    "errors": set(),
    "clock": set(),
    "money": set(),
    "wire": set(),
    "reply": BASE,
    "request": BASE,
    "http": BASE | {"reply", "request"},
    "holds": BASE,
    "units": BASE | {"businesscentral.records", "config.schema"},
    "locks": BASE,
    "vault": BASE | {"config.schema"},
    "secrets": BASE | {"config.schema", "vault"},
    "config": BASE | {"config"},
    "shipstation": VENDOR | {"shipstation"},
    "businesscentral": VENDOR | {"businesscentral"},
    "mapping": PURE | {"mapping"},
    "store": PURE | {"store", "mapping"},
    "store.sqlite": BASE,
    "store.budget": BASE | {"store.sqlite"},
    "store.hints": BASE | {"store.sqlite"},
    "booking": PURE | {"booking", "mapping", "store", "businesscentral"},
    "flows": PURE
    | {"flows", "booking", "mapping", "store", "shipstation", "businesscentral", "locks", "http"}
    | {"notifications", "secrets", "reply", "request"},
    "httpserver": BASE,
    "keeper": BASE,
    "notifications": BASE | {"businesscentral.records"},
    "listener": BASE
    | {"config.schema", "store.hints", "secrets", "httpserver", "keeper", "notifications"}
    | {"request", "signatures", "systemd"},
    "systemd": BASE,
    "signatures": BASE | {"httpserver", "shipstation.signature", "store.hints"},
    "worker": {"*"},
    "app": {"*"},
    "cli": {"*"},
    "sandbox": {"sandbox"},
}
PACKAGES: dict[str, tuple[str, ...]] = {
    "httpx": ("http",),
    "tenacity": ("http",),
    "msal": ("businesscentral.auth",),
    "requests": ("businesscentral.auth",),
    "keyring": ("secrets",),
    "cryptography": ("shipstation.signature", "vault"),
    "yaml": ("config.load",),
    "pydantic": ("config.edge", "config.load"),
    "sqlite3": ("store.sqlite",),
    "pysqlite3": ("store.sqlite",),
    "sqlite_utils": ("store.schema",),
    "typer": ("cli",),
    "rich": ("cli",),
    "dateutil": ("cli",),
}


def modules() -> list[str]:
    found = []
    for path in sorted((ROOT / "bcss").rglob("*.py")):
        parts = path.relative_to(ROOT / "bcss").with_suffix("").parts
        found.append(".".join(part for part in parts if part != "__init__"))
    return found


def owner(module: str) -> str:
    fitting = [name for name in LAYERS if module == name or module.startswith(f"{name}.")]
    assert fitting, f"no layer owns bcss.{module}"
    return max(fitting, key=len)


def imports(module: str) -> Iterator[str]:
    path = ROOT / "bcss" / Path(*module.split("."))
    source = path / "__init__.py" if path.is_dir() or not module else path.with_suffix(".py")
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module


def allowed(target: str, may: set[str]) -> bool:
    names = target.split(".")
    return "*" in may or any(".".join(names[:n]) in may for n in range(1, len(names) + 1))


@pytest.mark.parametrize("module", modules())
def test_each_module_imports_only_what_its_layer_may(module: str) -> None:
    may = LAYERS[owner(module)]
    for name in imports(module):
        if name in ("bcss", "bcss.__version__"):
            continue
        if name.startswith("bcss."):
            target = name.removeprefix("bcss.")
            known = [one for one in (target, target.rpartition(".")[0]) if one in set(modules())]
            wanted = known[0] if known else target
            assert not wanted or allowed(wanted, may), f"bcss.{module} imports bcss.{wanted}"
        package = name.partition(".")[0]
        if package in PACKAGES:
            homes = PACKAGES[package]
            at_home = any(module == home or module.startswith(f"{home}.") for home in homes)
            assert at_home, f"bcss.{module} imports {package}"


def test_the_sandbox_imports_nothing_of_bcss_and_nothing_beyond_the_standard_library() -> None:
    import sys  # noqa: PLC0415 - only this test asks

    for module in modules():
        if not module.startswith("sandbox"):
            continue
        for name in imports(module):
            package = name.partition(".")[0]
            inside = name == "bcss.sandbox" or name.startswith("bcss.sandbox.")
            assert inside or package in sys.stdlib_module_names, f"bcss.{module} imports {name}"


def test_a_planted_import_is_caught() -> None:
    assert not allowed("shipstation.client", LAYERS["businesscentral"])
    assert not allowed("store.db", LAYERS["mapping"])
    assert not allowed("booking.machine", LAYERS["store"])
    assert allowed("shipstation.records", LAYERS["mapping"])
