"""Read CSV files as text: every value as it is written, every faulty line by its number."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import LandingError
from pipelines.base.ids import BAD_BYTE
from pipelines.base.source_settings import FileFormat
from pipelines.events.sources.source_files import LineFaults, SourceFile
from pipelines.events.text_files import decode

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = (",", ";", "\t", "|")
#: Bytes at the beginning of a file from which its dialect is seen.
_SAMPLE_BYTES = 1 << 18
_SAMPLE_ROWS = 200
_BLOCK_BYTES = 8 << 20
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class CsvDialect:
    """What a CSV file turned out to be.

    Parameters
    ----------
    written : FileFormat
        With delimiter, escape and encoding set.
    columns : tuple of str
        Names of its columns, in their order.
    first_row : int
        Number of the first row of values, from 1: a header is row 1.
    """

    written: FileFormat
    columns: tuple[str, ...]
    first_row: int


def read_dialect(file: SourceFile, written: FileFormat) -> CsvDialect:
    """See how a CSV file is written from its first lines, where the options do not say it.

    Raises
    ------
    LandingError
        If the file is empty, its beginning is not of the encoding, or a column is named twice.
    """
    written = _with_bom(file, written)
    text = _sample(file, written)
    delimiters = (written.delimiter,) if written.delimiter else DELIMITERS
    escapes = (written.escape,) if written.escape else (None, "\\")
    tries = [
        (_regularity(rows, width), -number, delimiter, escape, rows)
        for number, (escape, delimiter) in enumerate(
            (escape, delimiter) for escape in escapes for delimiter in delimiters
        )
        for rows in [_rows(text, delimiter, written.quote, escape)]
        for width in [len(written.columns) or None]
    ]
    _, _, delimiter, escape, rows = max(tries, key=lambda one: one[:2])
    if not rows:
        raise LandingError(
            f"A CSV file must hold a header and rows. Found nothing in {file.path}. Check the file."
        )
    written = written.model_copy(update={"delimiter": delimiter, "escape": escape})
    if written.columns:
        return CsvDialect(written, written.columns, 1)
    header = tuple(rows[0])
    twice = [name for name, count in Counter(header).items() if count > 1 and name.strip()]
    if twice:
        raise LandingError(
            f"The first line of a CSV file must name each column once. Got {', '.join(twice)} "
            f"twice in {file.path}. If the file has no header, name its columns: --columns a,b,c."
        )
    names = (name.strip() or f"column{number}" for number, name in enumerate(header, start=1))
    return CsvDialect(written, tuple(names), 2)


def read_csv_rows(
    file: SourceFile, dialect: CsvDialect, wanted: Sequence[str], faults: LineFaults
) -> Iterator[pa.Table]:
    """Read columns of a CSV file as text, in batches.

    Parameters
    ----------
    file : SourceFile
    dialect : CsvDialect
    wanted : sequence of str
        Names of columns.
    faults : LineFaults
        Counts rows, lines with more or fewer values than columns, and rows with bytes that are
        not of the encoding.

    Yields
    ------
    pyarrow.Table
        The wanted columns, and `source_row`, the number of the row in the file.

    Raises
    ------
    LandingError
        If the file cannot be read on.
    """
    import pyarrow as pa
    import pyarrow.csv

    refused: set[int] = set()

    def refuse(row: Any) -> str:
        refused.add(row.number)
        if row.text.strip():
            faults.row_count += 1
            example = f"row {row.number}: {row.text.strip()[:80]}"
            faults.add(
                f"a line has {'more' if row.actual_columns > row.expected_columns else 'fewer'} "
                f"values than the {row.expected_columns} columns",
                example,
            )
        return "skip"

    written = dialect.written
    try:
        reader = pyarrow.csv.open_csv(
            file.open_stream(),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK_BYTES,
                encoding="utf8" if _is_utf8(written.encoding) else written.encoding,
                column_names=dialect.columns,
                skip_rows=dialect.first_row - 1,
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=written.delimiter,
                quote_char=written.quote,
                escape_char=written.escape or False,
                newlines_in_values=True,
                invalid_row_handler=refuse,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.binary()),
                include_columns=list(wanted),
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
        row = dialect.first_row
        for batch in reader:
            rows = (number for number in count(row) if number not in refused)
            numbers = pa.array(islice(rows, batch.num_rows), pa.int64())
            if len(numbers):
                row = numbers[-1].as_py() + 1
            yield _as_text(pa.table(batch), numbers, faults)
    except (pa.ArrowException, UnicodeError, LookupError, OSError) as error:
        raise LandingError(
            f"A CSV file must be readable to its end. Got {file.path}: {str(error)[:200]}. "
            "Say how it is written: --encoding, --delimiter, --quote, --escape."
        ) from error


def _as_text(table: pa.Table, numbers: pa.Array, faults: LineFaults) -> pa.Table:
    """Cast bytes to text; a row with bytes that are not UTF-8 is a fault and left out."""
    import pyarrow as pa

    faults.row_count += table.num_rows
    try:
        texts = [column.cast(pa.large_string()) for column in table.columns]
    except pa.ArrowInvalid:
        decoded = [[decode(value) for value in column.to_pylist()] for column in table.columns]
        damaged = [
            next((value for value in row if BAD_BYTE in value), None)
            for row in zip(*decoded, strict=True)
        ]
        for number, value in zip(numbers.to_pylist(), damaged, strict=True):
            if value is not None:
                shown = value.replace(BAD_BYTE, "\\")[:80]
                faults.add("a value is not of the encoding", f"row {number}: {shown}")
        keep = pa.array([value is None for value in damaged])
        texts = [pa.array(column, pa.large_string()).filter(keep) for column in decoded]
        numbers = numbers.filter(keep)
    return pa.table([*texts, numbers], names=[*table.column_names, "source_row"])


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def _with_bom(file: SourceFile, written: FileFormat) -> FileFormat:
    """Take the encoding from the file's byte-order mark, if it has one and none is asked for."""
    try:
        codecs.lookup(written.encoding)
    except LookupError as error:
        raise LandingError(
            f"An encoding must be one that Python knows. Got {written.encoding!r}. Write for "
            "example --encoding latin-1."
        ) from error
    if not _is_utf8(written.encoding):
        return written
    with file.open_stream() as stream:
        start = stream.read(4)
    found = next((name for mark, name in _BOMS.items() if start.startswith(mark)), None)
    return written.model_copy(update={"encoding": found or written.encoding})


def _sample(file: SourceFile, written: FileFormat) -> str:
    with file.open_stream() as stream:
        raw = stream.read(_SAMPLE_BYTES)
    if b"\0" in raw and not written.encoding.startswith("utf-16"):
        raise LandingError(
            f"A CSV file must hold text. Found zero bytes in {file.path}. If it is compressed, its "
            "name must end in .gz, .bz2 or .zst; if it is of another encoding, add --encoding."
        )
    decoder = codecs.getincrementaldecoder(written.encoding)(errors="replace")
    return decoder.decode(raw)


def _rows(text: str, delimiter: str, quote: str, escape: str | None) -> list[list[str]]:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, escapechar=escape)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) == _SAMPLE_ROWS:
                return rows
    except csv.Error:
        return rows
    if len(text) >= _SAMPLE_BYTES and len(rows) > 1:
        rows.pop()  # the sample may end inside of it
    return rows


def _regularity(rows: list[list[str]], width: int | None) -> tuple[float, int]:
    """Share of rows as wide as the first (or as asked), and that width: the best dialect wins."""
    if not rows:
        return (0.0, 0)
    wanted = width or len(rows[0])
    share = sum(len(row) == wanted for row in rows) / len(rows)
    return (share if wanted > 1 else 0.0, wanted)
