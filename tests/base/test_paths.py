from __future__ import annotations

import ast
import functools
from datetime import date
from pathlib import Path

from pipelines.base.paths import NightFolder
from tests.source_files import PACKAGE, of_every_source

AS_OF = date(2024, 3, 1)
#: dbt's own logs and models, and the files of an experiment's report, by the module that spells them.
ELSEWHERE = {
    "build.py": {"'logs'"},
    "measure.py": {"'report.json'", "'report.md'"},
    "tables.py": {"'models'"},
}


@functools.cache
def spelled() -> set[str]:
    """Every name of a file or folder that `paths.py` spells, and the parts of each."""
    tree = ast.parse((PACKAGE / "base" / "paths.py").read_text())
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_Below"
    ]
    names = {ast.literal_eval(call.args[0]) for call in calls}
    return names | {part for name in names for part in name.split("/")}


def appended(path: Path) -> set[str]:
    """Text that a file appends to a path, `{…}` where a value stands."""
    return {
        ast.unparse(node.right)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    }


@of_every_source
def test_only_one_module_spells_the_places_of_a_home_and_a_night(path):
    if path.name == "paths.py":
        return
    again = appended(path) & {repr(name) for name in spelled()}
    assert not again - ELSEWHERE.get(path.name, set()), "take it from pipelines/base/paths.py"
    assert "night-{" not in path.read_text(), "take it from pipelines/base/paths.py"


def test_places_of_a_night_lie_in_its_folder(make_settings):
    settings = make_settings()
    run = settings.run_folder(AS_OF)
    assert run.folder == settings.home / "runs" / "night-2024-03-01"
    assert run.gate("discover") == run.folder / "gate" / "discover.json"
    assert run.role_file("discover", "champion") == (
        run.folder / "models" / "discover" / "champion" / "role.json"
    )
    assert run.variant("discover", "control") == run.folder / "lists/discover/control.parquet"
    places = [name for name, place in vars(NightFolder).items() if hasattr(place, "__get__")]
    assert len({getattr(run, name) for name in places if isinstance(getattr(run, name), Path)}) > 20


def test_nights_are_those_with_a_folder_in_order(make_settings):
    settings = make_settings()
    assert settings.nights() == []
    for day in (2, 1):
        settings.run_folder(AS_OF.replace(day=day)).folder.mkdir(parents=True)
    assert settings.nights() == [AS_OF, AS_OF.replace(day=2)]
