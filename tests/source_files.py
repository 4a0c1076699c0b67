"""The product's source files, and tests that hold for each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "pipelines"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def of_every_source(check: Callable[[Path], None]) -> Callable[[], None]:
    """Make one test of a check of a file, which names every file that it fails for."""

    def test() -> None:
        failures = []
        for path in SOURCES:
            try:
                check(path)
            except AssertionError as error:
                failures.append(f"{path.relative_to(PACKAGE)}: {error}")
        assert not failures, "\n".join(failures)

    test.__name__, test.__doc__ = check.__name__, check.__doc__
    return test
