"""README and docs say what is true: their commands, settings, tables, links and SQL are tried here.

`python -m tests.test_docs` writes docs/tables.md anew.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from pipelines.ask.query import run_sql
from pipelines.base import tables
from pipelines.base.cli import VERBS, cli
from pipelines.base.config import Settings, load_settings

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
QUERIES_PAGE = ROOT / "docs" / "queries.md"
TABLES_PAGE = ROOT / "docs" / "tables.md"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "mlflow").glob("*.md"),
        ROOT / "data" / "online_retail" / "README.md",
    ]
)


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def blocks(path, language):
    """Fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.M | re.S)


def recsys_commands():
    """Every `recsys …` line of every page, in blocks and in prose."""
    found = []
    for path in PAGES:
        lines = [line for block in blocks(path, "bash") for line in block.splitlines()]
        lines += re.findall(r"`(recsys [^`]+)`", path.read_text())
        found += [line for line in lines if line.startswith("recsys ")]
    return sorted(set(found))


def tables_page():
    """docs/tables.md, from the contracts of tables."""
    parts = [
        "# Tables",
        "Every table that crosses a stage. Python writes `raw` and `serving`, dbt the others; what a "
        "column of theirs means stands in `dbt_project/models`. Timestamps are UTC. "
        "(Written by `python -m tests.test_docs` from `pipelines/base/tables.py` and dbt's YAML.)",
    ]
    for table in (*tables.PYTHON_TABLES, *tables.DBT_TABLES):
        rows = [f"| `{name}` | {kind.lower()} |" for name, kind in table.columns.items()]
        key = ", ".join(f"`{name}`" for name in table.key)
        parts += [
            f"## {table.qualified}",
            f"{table.grain[0].upper()}{table.grain[1:]}. Key: {key}.",
            "\n".join(["| column | type |", "|---|---|", *rows]),
        ]
    return "\n\n".join(parts) + "\n"


@pytest.mark.parametrize("line", recsys_commands())
def test_a_command_in_the_docs_is_one_the_program_understands(line):
    words = [
        "2011-12-09" if word == "DAY" else word
        for word in shlex.split(line.replace(" …", ""), comments=True)
    ]
    command, context = cli, click.Context(cli)
    while len(words) > 1 and isinstance(command, click.Group):
        words = words[1:]
        found = command.get_command(context, words[0])
        if words[0].isupper():
            return  # `recsys VERB` speaks of all of them
        assert found is not None, f"{line!r}: there is no {words[0]!r}"
        command, context = found, click.Context(found)
    if command.context_settings.get("ignore_unknown_options"):
        return  # its arguments are those of another program
    for word in words:
        if word.startswith("-"):
            known = {option for one in command.params for option in one.opts} | {"--help"}
            assert word.split("=")[0] in known, f"{line!r}: there is no option {word}"


def test_every_verb_is_in_the_readme():
    text = README.read_text()
    assert not [verb for verb in VERBS if not re.search(rf"recsys {verb}\b|`{verb}`", text)]


def test_make_targets_in_the_docs_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    used = {
        name
        for path in PAGES
        for name in re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.M)
    }
    assert used <= targets


def test_settings_named_in_the_docs_exist():
    settings = tomllib.loads((ROOT / "recsys.toml").read_text())
    sections = {name for name in Settings.model_fields if isinstance(settings.get(name), dict)}
    for path in PAGES:
        for section, key in re.findall(r"`([a-z]+)\.([a-z_0-9]+)`", path.read_text()):
            if section in sections - {"features", "placements"}:
                assert key in settings[section], f"{path.name} names {section}.{key}"


@pytest.mark.parametrize("path", PAGES, ids=names(PAGES))
def test_links_and_pictures_of_a_page_are_there(path):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text())
    gone = [
        target
        for target in targets
        if not target.startswith("http") and not (path.parent / target).exists()
    ]
    assert not gone


def test_the_page_of_tables_follows_the_contracts():
    assert TABLES_PAGE.read_text() == tables_page(), "run: python -m tests.test_docs"


def test_every_query_of_the_docs_runs_on_published_lists(shop_after):
    settings = shop_after(10)
    of_postgres = ROOT / "docs" / "publications.md"
    queries = [
        (query, False) for path in PAGES if path != of_postgres for query in blocks(path, "sql")
    ]
    asked = [line for line in recsys_commands() if "--sql" in line and "…" not in line]
    queries += [(shlex.split(line)[-1], "--warehouse" in line) for line in asked]
    assert len(blocks(README, "sql")) >= 1 and len(blocks(QUERIES_PAGE, "sql")) == 10
    for query, over_warehouse in queries:
        found = run_sql(settings, query, over_warehouse=over_warehouse)
        # a customer or an item of another shop has no rows in this one, all else has
        may_be_empty = r"_id = '\w+'|anti join|similar_items|met_publications"
        assert len(found) or re.search(may_be_empty, query), query


def test_the_readme_says_what_the_settings_say():
    evaluation = load_settings(ROOT / "recsys.toml").evaluation
    assert f"NDCG@{evaluation.k}" in README.read_text()
    assert f"[D−{2 * evaluation.horizon_days}, D−{evaluation.horizon_days})" in README.read_text()


if __name__ == "__main__":
    TABLES_PAGE.write_text(tables_page())
