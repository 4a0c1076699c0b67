"""Fitted recommenders as data: arrays in `arrays.npz`, the rest in `recommender.json`.

Nothing is ever pickled or unpickled, and equal recommenders give equal bytes.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import sparse

from pipelines.base.durable import file_sha256, new_file, write_text
from pipelines.base.errors import StoredRecommenderError
from pipelines.models.base import Recommender
from pipelines.models.candidates import RECOMMENDERS, Spec, make_recommender
from pipelines.models.composed import ComposedRecommender

#: Version of the file format: raised when learned attributes are renamed; others are refused.
FORMAT = 2
ARRAYS_FILE = "arrays.npz"
RECOMMENDER_FILE = "recommender.json"
#: Arrays of a csr matrix, stored as `<attribute>.<array>`.
CSR_PARTS = ("data", "indices", "indptr", "shape")
#: Bytes to whose multiples arrays are moved in the archive, so that they can be used from there.
ALIGNED_BYTES = 64
#: A member's header in a zip: 26 bytes, and how long its name and its extra fields are.
LOCAL_HEADER = struct.Struct("<26sHH")
#: Length of the extra field that `force_zip64` adds to it.
ZIP64_BYTES = 20
#: Head of the extra field that moves an array: an id that no program knows, and its length.
PADDING = struct.Struct("<HH")
PADDING_ID = 0x6572


def save_recommender(recommender: Recommender, spec: Spec, folder: Path) -> None:
    """Write a fitted recommender to a folder.

    Parameters
    ----------
    recommender : Recommender
        Fitted. Every attribute that ends in ``_`` must be an array of numbers or strings, a csr
        matrix, a number, a string, a bool or None; `parts_` holds recommenders.
    spec : Spec
        The specification it was made from.
    folder : Path
        Created if missing; other files in it are left alone.

    Raises
    ------
    StoredRecommenderError
        If an attribute is of another kind, or the recommender is not one of `RECOMMENDERS`.
    """
    cls = type(recommender)
    if RECOMMENDERS.get(spec.recommender) != f"{cls.__module__}:{cls.__qualname__}":
        raise StoredRecommenderError(
            f"A saved recommender must be the class its specification names, "
            f"{spec.recommender!r}. Got {cls.__name__}. Save it with its own spec."
        )
    arrays: dict[str, np.ndarray] = {}
    values: dict[str, Any] = {}
    _sort_attributes(recommender, "", arrays, values)
    folder.mkdir(parents=True, exist_ok=True)
    with new_file(folder / ARRAYS_FILE) as fresh:
        _write_arrays(fresh, arrays)
    description = {
        "format": FORMAT,
        "name": spec.name,
        "spec": spec.as_dict(),
        "spec_hash": spec.spec_hash,
        "values": values,
        "arrays_sha256": file_sha256(folder / ARRAYS_FILE),
    }
    text = json.dumps(description, indent=2, sort_keys=True, allow_nan=False) + "\n"
    write_text(folder / RECOMMENDER_FILE, text)


def load_recommender(folder: Path, *, mapped: bool = False) -> Recommender:
    """Read a saved recommender from a folder; it makes the same lists as before.

    Parameters
    ----------
    folder : Path
    mapped : bool, default False
        Whether arrays stay in the file, read-only, so that processes of one machine share them.

    Raises
    ------
    StoredRecommenderError
        If a file is missing, damaged, of another format, or holds pickled objects.
    UnknownRecommenderError, SettingsError
        If this version does not know the recommender or one of its parameters.
    """
    description = _read_description(folder / RECOMMENDER_FILE)
    recommender = make_recommender(Spec.from_dict(description["name"], description["spec"]))
    arrays = _read_arrays(folder / ARRAYS_FILE, description["arrays_sha256"], mapped)
    _make_parts(recommender)
    for path, value in {**description["values"], **_join_matrices(arrays)}.items():
        owner, name = _owner_of(recommender, path)
        if owner is None or not name.endswith("_") or name.startswith("_"):
            raise StoredRecommenderError(
                f"Stored attributes must be learned ones, ending in '_'. Found {path!r} in "
                f"{folder}. Save the recommender again."
            )
        setattr(owner, name, value)
    return recommender


def _make_parts(recommender: Recommender) -> None:
    """Give a composed recommender its parts, and those of its parts, not fitted."""
    if isinstance(recommender, ComposedRecommender):
        recommender.parts_ = recommender.make_parts()
        for part in recommender.parts_:
            _make_parts(part)


def _owner_of(recommender: Recommender, path: str) -> tuple[Recommender | None, str]:
    """Recommender and attribute of a stored name: ``parts_/1/weights_`` is of the second part."""
    prefix, slash, rest = path.partition("/")
    if not slash:
        return recommender, path
    number, _, name = rest.partition("/")
    parts = getattr(recommender, "parts_", ()) if prefix == "parts_" else ()
    if not number.isdecimal() or int(number) >= len(parts):
        return None, path
    return _owner_of(parts[int(number)], name)


def _sort_attributes(
    recommender: Recommender, prefix: str, arrays: dict[str, np.ndarray], values: dict[str, Any]
) -> None:
    """Sort the learned attributes of a recommender and of its parts into arrays and values."""
    for name, value in sorted(vars(recommender).items()):
        if name == "parts_":
            for number, part in enumerate(value):
                _sort_attributes(part, f"{prefix}parts_/{number}/", arrays, values)
        elif name.endswith("_") and not name.startswith("_"):
            _sort_attribute(prefix + name, value, arrays, values)


def _sort_attribute(
    name: str, value: Any, arrays: dict[str, np.ndarray], values: dict[str, Any]
) -> None:
    """Put a learned attribute among the arrays (npz) or the values (JSON)."""
    if isinstance(value, sparse.csr_array):
        arrays.update({f"{name}.{part}": np.asarray(getattr(value, part)) for part in CSR_PARTS})
    elif isinstance(value, np.ndarray):
        arrays[name] = _plain_array(name, value)
    elif value is None or isinstance(value, bool | int | float | str):
        values[name] = value
    elif isinstance(value, np.generic) and value.dtype.kind in "biuf":
        values[name] = value.item()
    else:
        raise StoredRecommenderError(
            f"Learned attributes must be arrays, csr matrices, numbers, strings or None. "
            f"`{name}` is {type(value).__name__}. Learn it in one of these forms."
        )


def _plain_array(name: str, array: np.ndarray) -> np.ndarray:
    """Convert an array to a type that npz holds without pickling, or refuse it."""
    if array.dtype.kind in "biufU":
        return array
    if array.dtype.kind in "OT" and all(isinstance(value, str) for value in array.flat):
        return array.astype(np.str_)
    raise StoredRecommenderError(
        f"Learned arrays must hold numbers, bools or strings. `{name}` is of type {array.dtype}. "
        "Learn it in one of these types."
    )


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an npz, aligned and not compressed, whose bytes depend on the arrays only."""
    with path.open("wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980-01-01
            before = stream.tell() + LOCAL_HEADER.size + len(entry.filename.encode()) + ZIP64_BYTES
            padding = -(before + PADDING.size) % ALIGNED_BYTES
            entry.extra = PADDING.pack(PADDING_ID, padding) + bytes(padding)
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, arrays[name], allow_pickle=False)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoredRecommenderError(
            f"A saved recommender must have a readable {RECOMMENDER_FILE}. Got {path}: {error}. "
            "Refit the placement for this night."
        ) from error
    wanted = {"format", "name", "spec", "spec_hash", "values", "arrays_sha256"}
    if not isinstance(description, dict) or set(description) != wanted:
        raise StoredRecommenderError(
            f"{path} must hold exactly {sorted(wanted)}. Found {sorted(description)}. "
            "Refit the placement for this night."
        )
    if description["format"] != FORMAT:
        raise StoredRecommenderError(
            f"{path} must be of format {FORMAT}. Found {description['format']!r}. "
            "Refit the placement with this version."
        )
    return description


def _read_arrays(path: Path, sha256: str, mapped: bool) -> dict[str, np.ndarray]:
    try:
        found = file_sha256(path)
        if found != sha256:
            raise ValueError(f"sha256 is {found}, recorded as {sha256}")
        arrays = {}
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                array = _map_array(path, entry) if mapped else None
                if array is None:
                    with archive.open(entry) as file:
                        array = np.lib.format.read_array(file, allow_pickle=False)
                arrays[entry.filename.removesuffix(".npy")] = array
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise StoredRecommenderError(
            f"A saved recommender must have its own {ARRAYS_FILE} of plain arrays. Got {path}: "
            f"{error}. Refit the placement for this night."
        ) from error
    return arrays


def _map_array(path: Path, entry: zipfile.ZipInfo) -> np.ndarray | None:
    """An array as it lies in the archive; None for one that cannot be used from there."""
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        *_, name_bytes, extra_bytes = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
        file.seek(name_bytes + extra_bytes, 1)
        if np.lib.format.read_magic(file) != (1, 0):
            return None  # of a header longer than 64 KiB, which no plain array has
        shape, is_fortran, kind = np.lib.format.read_array_header_1_0(file)
        start = file.tell()
    if start % ALIGNED_BYTES or 0 in shape or kind.hasobject:
        return None
    order: Literal["C", "F"] = "F" if is_fortran else "C"
    return np.asarray(np.memmap(path, kind, "r", start, shape, order))


def _join_matrices(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Learned attributes by name: plain arrays, and csr matrices put together from theirs."""
    attributes: dict[str, Any] = {name: array for name, array in arrays.items() if "." not in name}
    for name in sorted({name.split(".")[0] for name in arrays if "." in name}):
        data, indices, indptr, shape = (arrays.get(f"{name}.{part}") for part in CSR_PARTS)
        if data is None or indices is None or indptr is None or shape is None:
            raise StoredRecommenderError(
                f"A stored csr matrix must have {', '.join(CSR_PARTS)}. `{name}` lacks one. "
                "Refit the placement for this night."
            )
        attributes[name] = sparse.csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
    return attributes
