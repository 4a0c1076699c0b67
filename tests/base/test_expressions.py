from __future__ import annotations

import pytest

from pipelines.base.expressions import (
    Attribute,
    Both,
    Compare,
    Either,
    IsNull,
    Literal,
    Not,
    attributes_of,
    check_kinds,
    parse_condition,
)

COUNTRY = Attribute("item", "country")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("item.country = 'FR'", Compare("=", COUNTRY, Literal("FR"))),
        ("item.country=='O''Brien'", Compare("=", COUNTRY, Literal("O'Brien"))),
        ("item.country <> user.country", Compare("!=", COUNTRY, Attribute("user", "country"))),
        ("-1.5 < user.age", Compare("<", Literal(-1.5), Attribute("user", "age"))),
        ("item.organic", Compare("=", Attribute("item", "organic"), Literal(True))),
        ("item.country IS NULL", IsNull(COUNTRY)),
        ("item.country is not null", Not(IsNull(COUNTRY))),
        (
            "item.country not in ('FR', 'DE')",
            Not(
                Either(
                    (
                        Compare("=", COUNTRY, Literal("FR")),
                        Compare("=", COUNTRY, Literal("DE")),
                    )
                )
            ),
        ),
        (
            "not item.a is null and item.b is null or item.c is null",
            Either(
                (
                    Both((Not(IsNull(Attribute("item", "a"))), IsNull(Attribute("item", "b")))),
                    IsNull(Attribute("item", "c")),
                )
            ),
        ),
        (
            "item.a is null and (item.b is null or item.c is null)",
            Both(
                (
                    IsNull(Attribute("item", "a")),
                    Either((IsNull(Attribute("item", "b")), IsNull(Attribute("item", "c")))),
                )
            ),
        ),
    ],
)
def test_a_condition_is_the_tree_that_it_reads_like(text, tree):
    assert parse_condition(text) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have an attribute or a value here. Got the end"),
        ("item.country = 'FR", 'Got "\'FR" at character 16'),
        ('item.country = "FR"', "Text stands in single quotes"),
        ("item.country = FR", "must have item.NAME or user.NAME here. Got 'FR' at character 16"),
        ("country = 'FR'", "must have item.NAME or user.NAME here. Got 'country'"),
        ("order.country = 'FR'", "must have item.NAME or user.NAME"),
        ("item.country = 'FR' item.a = 1", "`and`, `or` or the end here. Got 'item.a'"),
        ("(item.country = 'FR'", "must have `\\)` here. Got the end"),
        ("item.country in 'FR'", "must have `\\(` here"),
        ("item.country in ()", "an attribute or a value here. Got '\\)'"),
        ("item.country not 'FR'", "must have `in` here"),
        ("item.country is 'FR'", "must have `null` here"),
        ("1 is null", "an attribute before `is null`"),
        ("item.country = 'FR'; drop table raw.items", "Got '; drop table raw.ite'"),
        ("__import__('os')", "must have item.NAME or user.NAME"),
        ("not " * 40 + "item.a", "must nest at most 30 deep"),
        ("(" * 40 + "item.a" + ")" * 40, "must nest at most 30 deep"),
        ("item.a = 1 " + "or item.a = 1 " * 100, "at most 1000 characters"),
    ],
)
def test_what_is_no_condition_is_refused_in_plain_words(text, message):
    with pytest.raises(ValueError, match=message):
        parse_condition(text)


def test_a_condition_says_which_attributes_it_reads():
    condition = parse_condition("not (item.a = 1 or user.b is null) and item.c in (user.d, 2)")
    assert [f"{one.owner}.{one.name}" for one in attributes_of(condition)] == [
        *("item.a", "user.b", "item.c", "user.d", "item.c"),
    ]


def test_numbers_texts_and_flags_are_compared_with_their_like():
    kinds = {"a": "number", "t": "text", "f": "flag"}
    for text in ("item.a <= user.a", "item.t in ('x', user.t)", "not item.f", "item.f != user.f"):
        check_kinds(text, kinds, kinds)
    for text in ("item.a = 'x'", "item.t = user.f", "item.a in (1, 'x')", "item.f < true"):
        with pytest.raises(ValueError, match="must be of"):
            check_kinds(text, kinds, kinds)
