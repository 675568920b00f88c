"""`make check` runs it: prints every line that breaks a rule, and fails if there is one."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from secrecy_check.contents import shown_contents
from secrecy_check.drivers import kept_errors, shown_errors, tracebacks
from secrecy_check.exceptions import without_exceptions
from secrecy_check.findings import Finding, Module
from secrecy_check.reveals import reveals, stale

SOURCES = Path(__file__).parents[2] / "src"


def modules_below(folder: Path) -> Sequence[Module]:
    """Every module below the folder."""
    return [
        Module.of(path.relative_to(folder).as_posix(), path.read_text("utf-8"))
        for path in sorted(folder.rglob("*.py"))
    ]


def findings_in(modules: Sequence[Module]) -> Iterator[Finding]:
    """All that the rules find: those on driver errors hold where a driver is met."""
    yield from stale(modules)
    for module in modules:
        yield from reveals(module)
        yield from shown_contents(module)
        yield from tracebacks(module)
        if module.is_adapter:
            yield from shown_errors(module)
            yield from kept_errors(module)


def main() -> int:
    """Prints what is found, and how much was looked at."""
    modules = modules_below(SOURCES)
    findings = sorted(set(without_exceptions(findings_in(modules))))
    lines = [*map(str, findings), f"{len(modules)} modules read, {len(findings)} lines to mend"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if findings or not modules else 0


if __name__ == "__main__":
    sys.exit(main())
