"""The core needs nothing but the standard library and attrs."""

import subprocess
import sys

BLOCK_AND_IMPORT = """
import importlib, importlib.abc, importlib.metadata, pkgutil, sys

allowed = {"attr", "attrs", "snapshot_domain"}
names = {
    name.split("/")[0].removesuffix(".py").split(".")[0]
    for distribution in importlib.metadata.distributions()
    for name in map(str, distribution.files or ())
    if not name.startswith("..")
}
adapters = {
    "snapshot_nats", "snapshot_postgres", "snapshot_openbao", "snapshot_prometheus",
    "snapshot_json", "snapshot_memory", "snapshot_conformance", "snapshot_ingest",
}
blocked = (names | adapters) - allowed

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
for name in list(sys.modules):
    if name.split(".")[0] in blocked:
        del sys.modules[name]
import snapshot_domain
modules = ["snapshot_domain"]
for module in pkgutil.walk_packages(snapshot_domain.__path__, "snapshot_domain."):
    importlib.import_module(module.name)
    modules.append(module.name)
try:
    import msgspec
except ImportError:
    print(len(modules), "modules imported, and msgspec is blocked")
"""


def test_every_module_of_the_core_imports_with_all_other_distributions_blocked() -> None:
    result = subprocess.run(
        [sys.executable, "-c", BLOCK_AND_IMPORT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stderr == ""
    assert "modules imported, and msgspec is blocked" in result.stdout
    assert int(result.stdout.split()[0]) > 20
