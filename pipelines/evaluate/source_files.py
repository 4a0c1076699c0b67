"""Source files that a module runs, found over what they name, and a hash of what they hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

#: Libraries whose arithmetic is in lists and metrics.
LIBRARIES = ("numpy", "scipy", "scikit-learn", "faiss-cpu")
#: A module of the package, or a thing in one: imported, or a string like ``pipelines.a.b:name``.
NAMED = re.compile(r"\bpipelines(?:\.\w+)+")
#: The statement that names a module in two halves, in one line or over several in brackets.
FROM_IMPORT = re.compile(r"\bfrom (pipelines[.\w]*) import (\([^)]*\)|.*)")


def files_in_turn(module: str, root: Path) -> list[Path]:
    """Files of a module, of the modules it names, and of those that these name in turn.

    Parameters
    ----------
    module : str
        With its dots, for example ``pipelines.evaluate.evaluation``.
    root : Path
        Folder that holds the package.

    Returns
    -------
    list of Path
        In order of their paths, with the `__init__.py` of their folders. A module is named
        wherever its name stands: in an import, at the top of a file or within a function, in a
        string and even in prose, so a file too many may be there, and none too few.

    Raises
    ------
    FileNotFoundError
        If the module has no file.

    Notes
    -----
    Text is searched because a night does this in some 30 processes, and to parse 90 files takes
    a third of a second in each.
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
    """Hash of the names and bytes of files, and of the versions of `LIBRARIES`.

    Parameters
    ----------
    files : iterable of Path
    root : Path
        Names are relative to it.
    """
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
    """Names of modules in a source text, with those of things in them."""
    halves = FROM_IMPORT.findall(text)
    whole = {f"{module}.{name}" for module, names in halves for name in re.findall(r"\w+", names)}
    return {*NAMED.findall(text), *whole}
