"""Find the files of a source: one file, or a folder of partitions, here or in an object store."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pipelines.base.errors import LandingError
from pipelines.base.source_settings import FileFormat

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.fs as pafs

#: Format of a file by the ending of its name, after that of a compression.
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".dat": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
COMPRESSIONS = (".gz", ".bz2", ".zst", ".lz4")
#: Most faulty lines that are kept to be shown.
_SHOWN_FAULTS = 5


@dataclass(frozen=True)
class SourceFile:
    """A file of a source, with the values of its folders named ``key=value``."""

    filesystem: pafs.FileSystem
    path: str
    format: str
    partitions: dict[str, str] = field(default_factory=dict)

    def open_stream(self) -> pa.NativeFile:
        """The bytes of the file, decompressed by the ending of its name."""
        return self.filesystem.open_input_stream(self.path, compression="detect")


@dataclass
class LineFaults:
    """Lines that are no rows: how many of each kind, and the first with their numbers."""

    row_count: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Count faulty lines of one kind, of which one is shown."""
        self.counts[kind] = self.counts.get(kind, 0) + count
        if len(self.examples) < _SHOWN_FAULTS:
            self.examples.append(example)


def find_files(path: str, written: FileFormat) -> list[SourceFile]:
    """List the files of a source, sorted by path.

    Parameters
    ----------
    path : str
        A file or a folder; local, or the address of an object store (``s3://``, ``gs://``,
        ``abfs://``), whose keys come from the environment as its own tools read them.
    written : FileFormat
        `format` overrules the endings.

    Returns
    -------
    list of SourceFile
        Names that start with ``.`` or ``_`` (``_SUCCESS``) are left out, with all below them.

    Raises
    ------
    LandingError
        If nothing is there, nothing can be read, or files of several formats are mixed.
    """
    infos, (filesystem, root) = _list(path)
    files = [
        SourceFile(filesystem, info.path, name, _partitions(info.path, root))
        for info in sorted(infos, key=lambda info: info.path)
        if not _is_hidden(info.path, root)
        and (name := written.format or _format_of(info.path)) is not None
    ]
    if not files:
        raise LandingError(
            f"A source must be a file, or a folder of files, of the formats "
            f"{', '.join(sorted(FORMATS))}, also with {', '.join(COMPRESSIONS)}. Found none at "
            f"{path}. Check the path; if its name has another ending, add --format csv, json or "
            "parquet."
        )
    formats = sorted({file.format for file in files})
    if len(formats) > 1:
        raise LandingError(
            f"All files of a source must be of one format. Found {' and '.join(formats)} below "
            f"{path}. Land them one by one."
        )
    return files


def content_state(path: str) -> list[list[str | int]] | None:
    """Names, sizes and times of all files at a path, which tell whether any has changed.

    Parameters
    ----------
    path : str
        As `find_files` takes it.

    Returns
    -------
    list of [name, bytes, nanoseconds] or None
        Sorted by name; None if nothing is there.

    Raises
    ------
    LandingError
        If the place cannot be reached.
    """
    infos, _ = _list(path)
    files = [[info.path, info.size, info.mtime_ns or 0] for info in infos]
    return sorted(files) or None


def _filesystem(path: str) -> tuple[pafs.FileSystem, str]:
    import pyarrow.fs as pafs

    if "://" not in path:
        return pafs.LocalFileSystem(), str(Path(path).expanduser().absolute())
    address = path.replace("az://", "abfs://", 1) if path.startswith("az://") else path
    try:
        filesystem, root = pafs.FileSystem.from_uri(address)
    except (ValueError, OSError) as error:
        raise LandingError(
            f"An address must be one of a file system that can be read here: s3://, gs://, az://, "
            f"file://. Got {path}: {error}. Correct it."
        ) from error
    return filesystem, root


def _list(path: str) -> tuple[list[pafs.FileInfo], tuple[pafs.FileSystem, str]]:
    """All files at a path, with the file system and the place in it."""
    import pyarrow.fs as pafs

    filesystem, root = _filesystem(path)
    try:
        found = filesystem.get_file_info(root)
        infos = [found]
        if found.type == pafs.FileType.Directory:
            infos = filesystem.get_file_info(pafs.FileSelector(root, recursive=True))
    except OSError as error:
        raise LandingError(
            f"A source must be readable. Got {path}: {error}. Check the address, and the keys and "
            "region in the environment."
        ) from error
    return [info for info in infos if info.type == pafs.FileType.File], (filesystem, root)


def _format_of(path: str) -> str | None:
    name = PurePosixPath(path)
    if name.suffix.lower() in COMPRESSIONS:
        name = name.with_suffix("")
    return FORMATS.get(name.suffix.lower())


def _below(path: str, root: str) -> tuple[str, ...]:
    return PurePosixPath(path.removeprefix(root).lstrip("/")).parts


def _is_hidden(path: str, root: str) -> bool:
    return any(part.startswith((".", "_")) for part in _below(path, root))


def _partitions(path: str, root: str) -> dict[str, str]:
    from urllib.parse import unquote

    pairs = (part.partition("=") for part in _below(path, root)[:-1] if "=" in part)
    return {key: unquote(value) for key, _, value in pairs}
