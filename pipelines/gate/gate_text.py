"""The gate's verdicts as text: who holds a placement, by how much, and by which rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.show.document import (
    Block,
    Bullets,
    Heading,
    Marked,
    Paragraph,
    Table,
    left,
    right,
    wrap,
)
from pipelines.show.figures import TIE, format_count, format_interval, format_threshold

Row = Mapping[str, Any]

#: Sign before the threshold, where it is not "at least"; "low" where the lower bound is compared.
_SIGNS = {
    "ndcg_ceiling": "≤",
    "beats_baseline": "low >",
    "beats_champion": "low >",
    "segment_not_inferior": "low ≥",
    "error_spent": "of",
}
#: Rules whose value is a difference and carries a sign.
_DIFFERENCES = {
    "reported_difference",
    "beats_baseline",
    "beats_champion",
    "coverage_not_inferior",
    "segment_not_inferior",
}
#: Rules whose sentence names the setting that decides them, and what would do.
_SETTINGS = {"min_users", "coverage_not_inferior", "segment_not_inferior"}
_OUTCOMES = {
    True: Marked("holds", "good"),
    False: Marked("FAILS", "bad"),
    None: Marked("reported", "quiet"),
}


def gate_document(verdicts: Mapping[str, Row], k: int) -> list[Block]:
    """Document of the verdicts that `gate.decide_gates` returned, with every rule."""
    document: list[Block] = []
    for placement, verdict in verdicts.items():
        document += [Heading(placement), Paragraph(verdict["reason"])]
        document += gate_blocks(verdict, k, is_whole=True)
    return document


def gate_blocks(gate: Row | None, k: int, *, is_whole: bool) -> list[Block]:
    """One placement's verdict: who holds it now, by how much and why, and the rules.

    `gate` is what `gate/<placement>.json` holds. If `is_whole`, every rule is shown with its
    sentence; else only judged rules with a figure.
    """
    if gate is None:
        return [Paragraph("The gate was not decided.")]
    word = Marked("PROMOTED", "good") if gate["is_promoted"] else Marked("KEPT", "strong")
    told = Paragraph(("Gate: ", word, f" {verdict_in_words(gate, k)}"))
    return [told, Bullets(explain_gate(gate)), *_rule_blocks(gate, is_whole=is_whole)]


def _rule_blocks(gate: Row, *, is_whole: bool) -> list[Block]:
    """Table of the rules, and sentences on what it leaves out."""
    if is_whole:
        sentences = [f"{name_of(rule)}: {rule['reason']}" for rule in gate["rules"]]
        return [_rule_table(gate["rules"], []), Bullets(sentences)]
    rules = judged(gate)
    shown = [rule for rule in rules if rule["value"] is not None]
    silent = sum(rule["value"] is None and rule["is_passed"] for rule in rules)
    low = any(rule["low"] is not None for rule in shown)
    said = ["low is the interval's lower end"] * low
    said += [f"rules that hold without a figure: {silent} (report.md)"] * bool(silent)
    notes = ["; ".join(said)] * bool(said)
    needed = [
        _what_would_do(rule)
        for rule in shown
        if not rule["is_passed"] and (rule["users_needed"] or rule["rule"] in _SETTINGS)
    ]
    return [_rule_table(shown, notes), Bullets(needed)] if shown else list(map(Paragraph, notes))


def _what_would_do(rule: Row) -> str:
    """What a refusal lacked: the rule's sentence where a setting decides it, else users."""
    if rule["rule"] in _SETTINGS:
        return f"{name_of(rule)}: {rule['reason']}."
    return (
        f"{name_of(rule)}: about {rule['users_needed']:,} users would be needed to tell such a "
        "difference."
    )


def _rule_table(rules: list[dict[str, Any]], notes: list[str]) -> Table:
    columns = [wrap("rule"), left("against"), *map(right, ("must be", "found", "users")), left("")]
    rows = [
        [
            name_of(rule),
            rule["opponent"] or "",
            _threshold(rule),
            format_interval(
                *(rule["value"], rule["low"], rule["high"]), signed=rule["rule"] in _DIFFERENCES
            ),
            format_count(rule["user_count"]),
            _OUTCOMES[rule["is_passed"]],
        ]
        for rule in rules
    ]
    return Table(columns, rows, notes=notes)


def _threshold(rule: Row) -> str:
    """Threshold with its sign; ``low`` before it where the interval's lower bound is judged."""
    if rule["threshold"] is None:
        return ""
    return f"{_SIGNS.get(rule['rule'], '≥')} {format_threshold(rule['threshold'])}"


def verdict_in_words(gate: Row, k: int) -> str:
    """Verdict in one line: who holds the placement, over whom and by how much."""
    holder, challenger = gate["champion"]["name"], gate["challenger"]
    rule = differences(gate).get(challenger["name"]) if challenger else None
    by = f"NDCG@{k}{TIE}{format_difference(rule).replace(' ', TIE)}" if rule else ""
    if gate["is_promoted"]:
        over = f" over {compared_with(gate)}" if compared_with(gate) else ""
        return f"{holder}{over}: {by or gate['reason']}"
    if not challenger:
        return f"{holder}; there is no challenger"
    if not by:
        return f"{holder}; {challenger['name']} does not replace it"
    return f"{holder}; {challenger['name']} against it: {by}"


def explain_gate(gate: Row) -> list[str]:
    """Sentences beside the rules: first night, rules without a figure, error spent, others, why."""
    lines = []
    if gate["champion_before"] is None and (holder := compared_with(gate)):
        lines.append(f"First night: the best baseline, {holder}, was the champion to beat.")
    failed = [rule for rule in judged(gate) if rule["value"] is None and not rule["is_passed"]]
    lines += [f"Fails: {reason}" for reason in dict.fromkeys(rule["reason"] for rule in failed)]
    lines += [f"Error: {one['reason']}." for one in gate["rules"] if one["rule"] == "error_spent"]
    if not gate["is_promoted"]:
        lines += others_in_words(gate)
    if explanation := gate.get("explanation"):
        first, *rest = explanation["sentences"]
        lines += [f"Why {explanation['winner']}: {first}", *rest]
    return lines


def others_in_words(gate: Row) -> list[str]:
    """Compare with the champion the candidates that are neither champion nor challenger.

    There is a line each for the better, the indistinguishable and the worse; best first.
    """
    holder = gate["champion"]["name"]
    challenger = gate["challenger"]["name"] if gate["challenger"] else None
    groups: dict[str, list[str]] = {}
    for name, rule in sorted(differences(gate).items(), key=lambda entry: -entry[1]["value"]):
        if name not in (challenger, holder):
            figure = f"{name} {format_difference(rule)}".replace(" ", TIE)
            groups.setdefault(_outcome(rule, holder), []).append(figure)
    return [f"{outcome}: {', '.join(figures)}" for outcome, figures in groups.items()]


def _outcome(rule: Row, holder: str) -> str:
    if rule["high"] is not None and rule["high"] < 0:
        return f"Lost to {holder}"
    if rule["low"] is not None and rule["low"] > 0:
        return f"Above {holder} here, but not the one chosen beforehand"
    return f"Not told apart from {holder}"


def compared_with(gate: Row | None) -> str | None:
    """Name of the contender all are compared with: champion before the gate, or its stand-in."""
    against = ("beats_champion", "reported_difference", "champion_exists")
    for rule in gate["rules"] if gate else []:
        if rule["rule"] in against and rule["opponent"]:
            return str(rule["opponent"])
    return None


def differences(gate: Row | None) -> dict[str, Row]:
    """By candidate, the gate's rule that holds its paired difference from `compared_with`.

    All are at the level of whatever is reported; a verdict of an earlier version has only the
    judged rule of its challenger.
    """
    known: dict[str, Row] = {}
    for rule in gate["rules"] if gate else []:
        if rule["value"] is None:
            continue
        if rule["rule"] == "reported_difference":
            known[rule["subject"]] = rule
        elif rule["rule"] == "beats_champion" and gate and gate["challenger"]:
            known.setdefault(gate["challenger"]["name"], rule)
    return known


def format_difference(rule: Row) -> str:
    """Format a rule's difference with its interval, signed.

    Examples
    --------
    >>> format_difference({"value": 0.02, "low": -0.01, "high": 0.05})
    '+.0200 [−.0100, +.0500]'
    """
    return format_interval(rule["value"], rule["low"], rule["high"], signed=True)


def role_of(row: Row, gate: Row | None) -> str:
    """Role of a leaderboard row; a champion that was replaced is "was champion"."""
    for role in ("champion", "challenger"):
        if gate and gate[role] and gate[role]["name"] == row["candidate"]:
            return role
    if gate and gate["champion_before"] and compared_with(gate) == row["candidate"]:
        return "was champion"
    return "baseline" if row["is_baseline"] else ""


def name_of(rule: Row) -> str:
    """Name of a rule, with its subject unless that is all users.

    Examples
    --------
    >>> name_of({"rule": "segment_not_inferior", "subject": "heavy"})
    'segment_not_inferior heavy'
    """
    return str(rule["rule"]) if rule["subject"] == "all" else f"{rule['rule']} {rule['subject']}"


def judged(gate: Row) -> list[dict[str, Any]]:
    """Rules that were judged and so count for the verdict, not those only reported."""
    return [rule for rule in gate["rules"] if rule["is_passed"] is not None]
