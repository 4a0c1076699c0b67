"""The source files that a module runs, found by the modules they name, and their hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

#: Libraries whose arithmetic determines lists and metrics.
LIBRARIES = ("numpy", "scipy", "scikit-learn", "faiss-cpu")
#: Dotted name of a module, or of an object in one, in an import or a string such as
#: ``pipelines.a.b:name``.
NAMED = re.compile(r"\bpipelines(?:\.\w+)+")
#: `from … import …` statement, in one line or over several lines in brackets.
FROM_IMPORT = re.compile(r"\bfrom (pipelines[.\w]*) import (\([^)]*\)|.*)")


def files_in_turn(module: str, root: Path) -> list[Path]:
    """List the files of a module, of the modules it names, and of those that they name in turn.

    The module has its dots, for example ``pipelines.evaluate.evaluation``; `root` is the folder
    that holds the package.

    Returns
    -------
    list of Path
        Sorted by path, with the `__init__.py` of their folders. A module is named wherever its
        name stands: in an import, at the top of a file or within a function, in a string and even
        in prose; so there may be a file too many, but never one too few.

    Raises
    ------
    FileNotFoundError
        If the module has no file.

    Notes
    -----
    The text is searched, not parsed: a night does this in some 30 processes, and parsing 90 files
    takes a third of a second in each.
    """
    if _file_of(module, root) is None:
        raise FileNotFoundError(
            f"A module must have a file below {root}. Found none of {module}. "
            "Name it where it is now."
        )
    files: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file_of(name, root)
        if not name or path in files:
            continue
        waiting.append(name.rpartition(".")[0])
        if path is not None:
            files.add(path)
            waiting += _named_in(path.read_text(encoding="utf-8"))
    return sorted(files)


def hash_files(files: Iterable[Path], root: Path) -> str:
    """Hash the bytes of files, their names relative to `root`, and the versions of `LIBRARIES`."""
    digest = hashlib.sha256(repr([(name, version(name)) for name in LIBRARIES]).encode())
    for path in sorted(files):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _file_of(name: str, root: Path) -> Path | None:
    """File of a module or of a package's `__init__`; None for any other name."""
    path = root.joinpath(*name.split("."))
    return next(
        (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None
    )


def _named_in(text: str) -> set[str]:
    """Dotted names of modules, and of objects in them, that occur in a source text."""
    halves = FROM_IMPORT.findall(text)
    whole = {f"{module}.{name}" for module, names in halves for name in re.findall(r"\w+", names)}
    return {*NAMED.findall(text), *whole}
