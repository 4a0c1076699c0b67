from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.evaluate.source_files import files_in_turn, hash_files


def write(root: Path, **texts: str) -> None:
    """Modules of a package below a folder, by their names with a double underscore for a dot."""
    for name, text in {"__init__": "", **texts}.items():
        path = root.joinpath("pipelines", *name.split("__")).with_suffix(".py")
        if name == "__init__":
            path = root / "pipelines" / "__init__.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(root: Path, module: str) -> set[str]:
    return {str(path.relative_to(root / "pipelines")) for path in files_in_turn(module, root)}


@pytest.mark.parametrize(
    "line",
    [
        "from pipelines.a.b import one",
        "from pipelines.a import b",
        "from pipelines.a import (\n    other,\n    b,\n)",
        "import pipelines.a.b",
        "def late():\n    from pipelines.a.b import one",
        "if TYPE_CHECKING:\n    from pipelines.a.b import One",
        'CLASSES = {"one": "pipelines.a.b:One"}',
        'CLASS = "pipelines.a.b.One"',
    ],
)
def test_module_named_in_any_way_is_found_with_what_it_names(tmp_path: Path, line: str) -> None:
    write(tmp_path, top=line, a__b="import pipelines.c", c="", other="")

    assert names(tmp_path, "pipelines.top") == {"__init__.py", "top.py", "a/b.py", "c.py"}


def test_init_of_the_folders_counts_and_a_circle_ends(tmp_path: Path) -> None:
    write(tmp_path, a__b="import pipelines.c", c="from pipelines.a.b import x", d="")
    (tmp_path / "pipelines" / "a" / "__init__.py").write_text("from pipelines.d import y")

    assert names(tmp_path, "pipelines.c") == {
        *("__init__.py", "a/__init__.py", "a/b.py"),
        *("c.py", "d.py"),
    }


def test_module_without_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Found none of pipelines\.gone"):
        files_in_turn("pipelines.gone", tmp_path)


def test_hash_changes_with_bytes_and_names_and_not_with_the_order(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("1")
    two.write_text("2")
    before = hash_files([one, two], tmp_path)

    assert hash_files([two, one], tmp_path) == before
    assert hash_files([one], tmp_path) != before
    two.write_text("3")
    assert hash_files([one, two], tmp_path) != before
    two.write_text("2")
    moved = two.rename(tmp_path / "three.py")
    assert hash_files([one, moved], tmp_path) != before
