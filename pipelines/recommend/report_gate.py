"""The gate's verdict, in the report."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from pipelines.recommend.report_board import (
    Row,
    compared_with,
    differences,
    format_difference,
)
from pipelines.recommend.report_tables import (
    TIE,
    ReportTable,
    fill,
    format_count,
    format_interval,
    format_threshold,
    make_table,
)

#: What is compared with the threshold where it is not "at least": the figure or its lower bound.
_SIGNS = {
    "ndcg_ceiling": "≤",
    "beats_baseline": "low >",
    "beats_champion": "low >",
    "segment_not_inferior": "low ≥",
}
#: Rules whose value is a difference and carries a sign.
_DIFFERENCES = ("beats_baseline", "beats_champion", "coverage_not_inferior", "segment_not_inferior")


def print_gate(console: Console, gate: Row | None, k: int) -> None:
    """Print who holds the placement now and by how much, and the rules that say something."""
    console.print()
    if gate is None:
        console.print("The gate was not decided.")
        return
    console.print(_headline(gate, k, console.width))
    for line in explain_gate(gate):
        console.print(fill(line, console.width, indent="    "), markup=False)
    _print_rules(console, judged(gate))


def _print_rules(console: Console, rules: list[dict[str, Any]]) -> None:
    """Print rules with a figure as a table, and how many others hold."""
    shown = [rule for rule in rules if rule["value"] is not None]
    if shown:
        console.print()
        console.print(_rules_table(shown))
    for rule in shown:
        if rule["users_needed"] and not rule["is_passed"]:
            users = f"about {rule['users_needed']:,} users would be needed"
            line = f"{name_of(rule)}: {users} to tell such a difference."
            console.print(fill(line, console.width), markup=False)
    silent = sum(rule["value"] is None and rule["is_passed"] for rule in rules)
    if silent:
        low = any(rule["low"] is not None for rule in shown)
        legend = "low is the interval's lower end; " if low else ""
        line = f"{legend}rules that hold without a figure: {silent} (report.md)"
        console.print(line, style="dim", markup=False)


def _headline(gate: Row, k: int, width: int) -> Text:
    word, style = ("PROMOTED", "bold green") if gate["is_promoted"] else ("KEPT", "bold yellow")
    text = Text(fill(f"Gate: {word} {verdict_in_words(gate, k)}", width, indent="      "))
    text.highlight_words([word], style)
    return text


def verdict_in_words(gate: Row, k: int) -> str:
    """Who holds the placement, over whom and by how much, in a line.

    Parameters
    ----------
    gate : mapping
        What `gate/<placement>.json` holds.
    k : int
        Cut of the NDCG.
    """
    holder, challenger = gate["champion"]["name"], gate["challenger"]
    found = differences(gate).get(challenger["name"]) if challenger else None
    by = f"NDCG@{k}{TIE}{format_difference(found).replace(' ', TIE)}" if found else ""
    if gate["is_promoted"]:
        over = f" over {compared_with(gate)}" if compared_with(gate) else ""
        return f"{holder}{over}: {by or plain(gate['reason'])}"
    if not challenger:
        return f"{holder}; there is no challenger"
    if not by:
        return f"{holder}; {challenger['name']} does not replace it"
    return f"{holder}; {challenger['name']} against it: {by}"


def explain_gate(gate: Row) -> list[str]:
    """What else there is to say: a first night, rules without a figure, the others, and why."""
    lines = []
    if gate["champion_before"] is None and (holder := compared_with(gate)):
        lines.append(f"First night: the best baseline, {holder}, was the champion to beat.")
    failed = [rule for rule in judged(gate) if rule["value"] is None and not rule["is_passed"]]
    lines += [f"Fails: {plain(reason)}" for reason in dict.fromkeys(r["reason"] for r in failed)]
    if not gate["is_promoted"]:
        lines += others_in_words(gate)
    return [*lines, *why_in_words(gate)]


def why_in_words(gate: Row) -> list[str]:
    """Why the holder stands where it does: a line each, the first says who is spoken of."""
    explanation = gate.get("explanation")
    if not explanation:
        return []
    first, *rest = [plain(sentence) for sentence in explanation["sentences"]]
    return [f"Why {explanation['winner']}: {first}", *rest]


def others_in_words(gate: Row) -> list[str]:
    """How the candidates that are neither champion nor challenger compare with the champion.

    Parameters
    ----------
    gate : mapping
        What `gate/<placement>.json` holds.

    Returns
    -------
    list of str
        A line each for those that are better, not told apart, and worse; best first.
    """
    holder = gate["champion"]["name"]
    challenger = gate["challenger"]["name"] if gate["challenger"] else None
    groups: dict[str, list[str]] = {}
    for name, rule in sorted(differences(gate).items(), key=lambda entry: -entry[1]["value"]):
        if name not in (challenger, holder):
            figure = f"{name} {format_difference(rule)}".replace(" ", TIE)
            groups.setdefault(_outcome(rule, holder), []).append(figure)
    return [f"{outcome}: {', '.join(found)}" for outcome, found in groups.items()]


def _outcome(rule: Row, holder: str) -> str:
    if rule["high"] is not None and rule["high"] < 0:
        return f"Lost to {holder}"
    if rule["low"] is not None and rule["low"] > 0:
        return f"Above {holder} here, but not the one chosen beforehand"
    return f"Not told apart from {holder}"


def _rules_table(rules: list[dict[str, Any]]) -> ReportTable:
    numbers = [("must be", "right"), ("found", "right"), ("users", "right")]
    table = make_table([("rule", "wrap"), *numbers, ("", "left")])
    for rule in rules:
        is_signed = rule["rule"] in _DIFFERENCES
        table.add_row(
            name_of(rule),
            _threshold(rule),
            format_interval(rule["value"], rule["low"], rule["high"], signed=is_signed),
            format_count(rule["user_count"]),
            "[green]holds[/]" if rule["is_passed"] else "[bold red]FAILS[/]",
        )
    return table


def _threshold(rule: Row) -> str:
    """What the figure must reach; ``low``, the lower end of the interval, where that is judged."""
    if rule["threshold"] is None:
        return ""
    return f"{_SIGNS.get(rule['rule'], '≥')} {format_threshold(rule['threshold'])}"


def name_of(rule: Row) -> str:
    """A rule's name and what it looked at, if that is not all users.

    Examples
    --------
    >>> name_of({"rule": "segment_not_inferior", "subject": "heavy"})
    'segment_not_inferior heavy'
    """
    return str(rule["rule"]) if rule["subject"] == "all" else f"{rule['rule']} {rule['subject']}"


def judged(gate: Row) -> list[dict[str, Any]]:
    """Rules that count for the verdict, not those that are only reported."""
    return [rule for rule in gate["rules"] if rule["is_passed"] is not None]


def plain(text: str) -> str:
    """A sentence without its Markdown.

    Examples
    --------
    >>> plain("`ease` stays")
    'ease stays'
    """
    return text.replace("`", "")
