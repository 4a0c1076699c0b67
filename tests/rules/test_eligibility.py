from __future__ import annotations

import operator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.base.expressions import Both, Compare, Either, IsNull, Literal, Not, parse_condition
from pipelines.rules.eligibility import Eligibility, read_packed, rows_of_frame

SIGNS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def slow(condition, item, user):
    """True, False or None by the rules of SQL, one item and one user at a time."""
    match condition:
        case Both(parts):
            found = [slow(part, item, user) for part in parts]
            return False if False in found else None if None in found else True
        case Either(parts):
            found = [slow(part, item, user) for part in parts]
            return True if True in found else None if None in found else False
        case Not(part):
            inner = slow(part, item, user)
            return None if inner is None else not inner
        case IsNull(operand):
            return value_of(operand, item, user) is None
        case Compare(sign, left, right):
            first, second = (value_of(one, item, user) for one in (left, right))
            return None if first is None or second is None else SIGNS[sign](first, second)


def value_of(operand, item, user):
    if isinstance(operand, Literal):
        return operand.value
    return {"item": item, "user": user}[operand.owner].get(operand.name)


TEXTS = ["item.country", "user.country", "'DE'", "'FR'"]
NUMBERS = ["item.min_age", "user.age", "18", "0.5"]
FLAGS = ["item.organic", "user.consent", "true"]
PREDICATES = st.one_of(
    st.builds("{} {} {}".format, *[st.sampled_from(one) for one in (TEXTS, ["=", "!="], TEXTS)]),
    st.builds(
        "{} {} {}".format, *[st.sampled_from(one) for one in (NUMBERS, list(SIGNS), NUMBERS)]
    ),
    st.builds("{} in ('DE', {})".format, st.sampled_from(TEXTS), st.sampled_from(TEXTS)),
    st.builds("{} is null".format, st.sampled_from([*TEXTS[:2], *NUMBERS[:2], *FLAGS[:2]])),
    st.sampled_from(FLAGS),
)
CONDITIONS = st.recursive(
    PREDICATES,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=6,
)


def rows(**values):
    return st.fixed_dictionaries(
        {name: st.sampled_from([None, *one]) for name, one in values.items()}
    )


ITEM = rows(country=["DE", "FR"], min_age=[0.0, 18.0, 21.0], organic=[True, False])
USER = rows(country=["DE", "FR", "ES"], age=[17.0, 18.0, 40.0], consent=[True, False])


@settings(deadline=None)
@given(
    rules=st.lists(CONDITIONS, min_size=1, max_size=3),
    items=st.lists(ITEM, min_size=1, max_size=5),
    users=st.lists(USER, min_size=1, max_size=5),
)
def test_all_users_and_items_at_once_are_judged_like_one_by_one_in_three_valued_logic(
    rules, items, users
):
    judge = Eligibility(rules)
    columns = {name: [item.get(name) for item in items] for name in judge.item_names}
    found = judge.judge(judge.items(columns), len(items), users)
    for user, yes, no in zip(users, found.yes, found.no, strict=True):
        wanted = [[slow(parse_condition(rule), item, user) for rule in rules] for item in items]
        assert yes.tolist() == [all(one is True for one in outcomes) for outcomes in wanted]
        assert no.tolist() == [False in outcomes for outcomes in wanted]
        assert judge.allowed(items, user).tolist() == yes.tolist()
        for item, outcomes in zip(items, wanted, strict=True):
            broken = [r for r, one in zip(rules, outcomes, strict=True) if one is not True]
            assert judge.broken_rules(item, user) == broken


@pytest.mark.parametrize(
    ("rule", "item", "user", "is_allowed"),
    [
        ("item.min_age <= user.age", {"min_age": 18}, {"age": 18}, True),
        ("item.min_age <= user.age", {"min_age": 18}, {}, False),
        ("item.min_age <= user.age", {}, {"age": 40}, False),
        ("item.min_age is null or item.min_age <= user.age", {}, {}, True),
        ("not item.min_age > user.age", {}, {"age": 40}, False),
        ("item.country != user.country", {"country": "DE"}, {}, False),
        ("item.country not in ('DE', 'FR')", {"country": "ES"}, {}, True),
        ("item.country not in ('DE', 'FR')", {}, {}, False),
        # A value of another kind, such as one of an older declaration, is no match and no error.
        ("item.min_age <= user.age", {"min_age": "18"}, {"age": 40}, False),
        ("item.country = user.country", {"country": ""}, {"country": ""}, False),
        ("item.min_age = user.age", {"min_age": float("nan")}, {"age": 1}, False),
    ],
)
def test_what_is_missing_is_not_shown_unless_the_rule_says_so(rule, item, user, is_allowed):
    assert Eligibility([rule]).allowed([item], user).tolist() == [is_allowed]


def test_without_rules_everything_is_allowed():
    assert Eligibility([]).allowed([{}, {}], {}).tolist() == [True, True]


def test_attributes_are_read_from_columns_and_from_what_is_packed():
    frame = pd.DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "price": [1.5, np.nan, 2.0],
            "attributes": ['{"min_age":18.0}', None, '{"organic":true}'],
        }
    )
    assert rows_of_frame(frame, ["price", "min_age", "organic"]) == {
        "price": [1.5, None, 2.0],
        "min_age": [18.0, None, None],
        "organic": [None, None, True],
    }
    assert rows_of_frame(frame[["item_id"]], ["min_age"]) == {"min_age": [None] * 3}
    assert read_packed('{"a": "x"}') == {"a": "x"}
