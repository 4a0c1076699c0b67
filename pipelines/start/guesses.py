"""What the columns of a table are, and why: by their names, confirmed by their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.events.sources.samples import Sample
from pipelines.start.column_names import role_of_name
from pipelines.start.looks import Look, look_at

#: Feed columns by role; a role without one here is a column of its own name.
_FEED_COLUMNS = {"quantity": "value", "rating": "value"}
#: Feed columns that a night can do without: in doubt they stay empty, and that is said.
_OPTIONAL = ("value", "price", "session_id", "category", "is_available")
#: Roles whose values are read as times or numbers; those of others are texts.
_READ_ROLES = ("event_at", "valid_from", "quantity", "rating", "price")
_EVENT_ROLES = ("user_id", "item_id", "event_at", "event_type", "quantity", "rating", "price")
_ITEM_ROLES = ("item_id", "title", "category", "price", "is_available", "valid_from")
#: What shops call the event types that are known.
TYPE_NAMES = {
    "purchase": """
        purchase purchased buy bought order ordered transaction sale sold checkout paid kauf gekauft
        bestellung compra comprado achat commande acquisto pedido
    """,
    "view": """
        view viewed pageview page_view product_view view_item detail visit pv
        ansicht aufruf vista visto vue visualizacao
    """,
    "click": "click clicked clickout klick clic clique select_item",
    "add_to_cart": """
        add_to_cart addtocart cart basket add_to_basket atc warenkorb carrito panier carrinho
    """,
    "rating": "rating rate rated review bewertung",
    "return": "return returned refund refunded retoure devolucion retour reso devolucao",
}


#: Answer that leaves out the rows of an event type.
LEFT_OUT = "(left out)"


@dataclass(frozen=True)
class Question:
    """A doubt that a person has to settle.

    Parameters
    ----------
    about : str
        Feed column, or option of a table, that the answer is for.
    text : str
        What is in doubt, with what was found.
    choices : tuple of str
        Possible answers; an empty answer leaves an optional column out.
    option : str
        How the command line says it, with ``{}`` where the answer stands.
    """

    about: str
    text: str
    choices: tuple[str, ...]
    option: str


@dataclass
class Guess:
    """What a table is believed to be.

    Parameters
    ----------
    sample : Sample
    looks : dict of str to Look
        By column.
    options : dict
        Options of a table, as `land` takes them.
    reasons : dict of str to str
        By column of the file: what it is, and why.
    questions : list of Question
        What is in doubt.
    """

    sample: Sample
    looks: dict[str, Look]
    options: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)

    @property
    def mapping(self) -> dict[str, str]:
        """Feed column to column of the file."""
        found: dict[str, str] = self.options.setdefault("mapping", {})
        return found

    def take(self, feed_column: str, column: str, why: str) -> None:
        """Believe that a column is one of the feed's."""
        self.mapping[feed_column] = column
        self.reasons[column] = f"{feed_column}: {why}"

    def answer(self, question: Question, answer: str) -> None:
        """Settle a question by a person's answer."""
        self.questions.remove(question)
        if question.about.startswith("value:"):
            old = question.about.partition(":")[2]
            answer = "" if answer == LEFT_OUT else answer
            self.options.setdefault("value_map", {}).setdefault("event_type", {})[old] = answer
        elif question.about in ("event_type", "feed") and answer not in self.looks:
            self.options[question.about] = answer
        elif answer:
            self.take(question.about, answer, "as you say")


def guess_table(sample: Sample, given: Mapping[str, Any], types: tuple[str, ...]) -> Guess:
    """Guess what the columns of a table are.

    Parameters
    ----------
    sample : Sample
        Its first rows.
    given : mapping
        Options of a table that a person gave; they are not in doubt.
    types : tuple of str
        Known event types.

    Returns
    -------
    Guess
        With questions where two columns could be the same, or none is.
    """
    looks = {name: look_at(values) for name, values in sample.columns.items()}
    guess = Guess(sample, looks)
    guess.options = {name: value for name, value in given.items() if name != "mapping"}
    for name, column in given.get("mapping", {}).items():
        if column in looks:
            guess.take(name, column, "by --map")
    roles = {name: role_of_name(name) for name in looks}
    feed = given.get("feed") or _feed_of(guess, roles)
    guess.options["feed"] = feed
    if feed == "events":
        _guess_events(guess, roles, types)
    else:
        _guess_items(guess, roles)
    return guess


def _feed_of(guess: Guess, roles: Mapping[str, tuple[str | None, bool]]) -> str:
    """Events if somebody did something, else items."""
    if {"user_id", "event_type", "event_at"} & set(guess.mapping):
        return "events"
    if {"title", "category", "is_available", "valid_from"} & set(guess.mapping):
        return "items"
    people = [name for name, role in roles.items() if role == ("user_id", True)]
    described = [name for name, (role, _) in roles.items() if role in ("title", "category")]
    return "items" if described and not people else "events"


def _guess_events(
    guess: Guess, roles: Mapping[str, tuple[str | None, bool]], types: tuple[str, ...]
) -> None:
    for role in _EVENT_ROLES:
        _choose(guess, roles, role)
    _choose(guess, roles, "session_id")
    for needed in ("user_id", "item_id"):
        if needed not in guess.mapping:
            _ask(guess, needed, f"No column is named like {needed}.")
    if "event_at" not in guess.mapping and "event_at" not in guess.options:
        times = [
            name for name, look in guess.looks.items() if look.is_time and _is_free(guess, name)
        ]
        if len(times) == 1:
            why = f"the only column of times, as {guess.looks[times[0]].example!r}"
            guess.take("event_at", times[0], why)
        else:
            why = "No column is named like a time and holds times (of days counted: --day-zero)."
            _ask(guess, "event_at", why)
    if "event_type" in guess.mapping:
        _guess_types(guess, types)
    elif "event_type" not in guess.options:
        _guess_type(guess, roles)


def _guess_items(guess: Guess, roles: Mapping[str, tuple[str | None, bool]]) -> None:
    roles = {
        name: (
            "valid_from" if role == "event_at" else "category" if role == "type" else role,
            plain,
        )
        for name, (role, plain) in roles.items()
    }
    for role in _ITEM_ROLES:
        _choose(guess, roles, role)
    if "item_id" not in guess.mapping:
        neutral = [name for name in guess.looks if name.lower() in ("id", "code", "key")]
        if len(neutral) == 1 and guess.looks[neutral[0]].distinct_count:
            guess.take("item_id", neutral[0], "the id of a list of items")
        else:
            _ask(guess, "item_id", "No column is named like item_id.")
    if "title" not in guess.mapping:
        _ask(guess, "title", "No column is named like a title.")


def _choose(guess: Guess, roles: Mapping[str, tuple[str | None, bool]], role: str) -> None:
    """Take the column of a role, if its name says so and its values look like it."""
    feed_column = _FEED_COLUMNS.get(role, role)
    if feed_column in guess.mapping or feed_column in guess.options:
        return
    named = [
        name
        for name, found in roles.items()
        if found == (role, True) and _is_free(guess, name) and guess.looks[name].value_count
    ]
    fitting = [name for name in named if _fits(guess.looks[name], role)]
    for name in set(named) - set(fitting):
        guess.reasons[name] = f"named like {feed_column}, but holds {guess.looks[name].in_words()}"
    if role == "title" and len(fitting) > 1:  # a name before its description
        fitting = [name for name in fitting if "desc" not in name.lower()][:1] or fitting
    if len(fitting) == 1:
        look = guess.looks[fitting[0]]
        seen = look.in_words() if role in _READ_ROLES else look.as_ids()
        guess.take(feed_column, fitting[0], f"by its name; {seen}")
    elif len(fitting) > 1 and feed_column in _OPTIONAL:
        for name in fitting:
            guess.reasons[name] = (
                f"left out: {' and '.join(fitting)} are all named like {feed_column}; "
                f"--map {feed_column}={name} takes it"
            )
    elif len(fitting) > 1:
        what = ", ".join(f"{name} ({guess.looks[name].in_words()})" for name in fitting)
        guess.questions.append(
            Question(
                feed_column,
                f"Several columns are named like {feed_column}: {what}.",
                tuple(fitting),
                f"--map {feed_column}={{}}",
            )
        )


def _fits(look: Look, role: str) -> bool:
    if role in ("event_at", "valid_from"):
        return look.is_time
    if role in ("quantity", "price", "rating"):
        return look.is_number
    if role == "event_type":
        return look.is_few and not look.is_number
    if role == "title":
        return not look.is_number
    return True


def _is_free(guess: Guess, name: str) -> bool:
    return name not in guess.mapping.values()


def _ask(guess: Guess, feed_column: str, why: str) -> None:
    if any(question.about == feed_column for question in guess.questions):
        return
    free = tuple(name for name in guess.looks if _is_free(guess, name))
    found = ", ".join(f"{name} ({guess.looks[name].in_words()})" for name in free)
    text = f"{why} The columns are {found or 'none'}."
    guess.questions.append(Question(feed_column, text, free, f"--map {feed_column}={{}}"))


def _guess_type(guess: Guess, roles: Mapping[str, tuple[str | None, bool]]) -> None:
    """What happened in each row of a table that does not say it."""
    value = guess.mapping.get("value")
    if value and roles[value][0] == "rating":
        guess.options["event_type"] = "rating"
        guess.reasons[value] += "; so each row is a rating"
        return
    signs = [name for name in ("value", "price", "session_id") if name in guess.mapping]
    bought = any(word in name.lower() for name in guess.looks for word in _BUYING)
    if bought or {"value", "price"} <= set(signs):
        guess.options["event_type"] = "purchase"
        shown = ", ".join(guess.mapping[name] for name in signs) or "the names of columns"
        guess.reasons["(each row)"] = f"event_type: purchase, by {shown}"
        return
    text = "No column says what happened in a row: a purchase, a view, a rating?"
    choices = ("purchase", "view", "click", "add_to_cart", "rating")
    guess.questions.append(Question("event_type", text, choices, "--event-type {}"))


#: Parts of names of columns that only purchases have.
_BUYING = (
    *("order", "invoice", "purchase", "bestell", "kauf", "rechnung", "pedido", "commande"),
    *("factur", "fattura", "ordine", "compra", "achat", "basket", "receipt"),
)


def _guess_types(guess: Guess, types: tuple[str, ...]) -> None:
    """What each value of the column of types means."""
    column = guess.mapping["event_type"]
    meant = {name: kind for kind, names in TYPE_NAMES.items() for name in names.split()}
    given = guess.options.get("value_map", {}).get("event_type", {})
    renamed = dict(given)
    for value in dict.fromkeys(guess.sample.columns[column]):
        if value in types or value in given or "*" in given:
            continue
        kind = meant.get(value.lower().replace(" ", "_").replace("-", "_"))
        if kind:
            renamed[value] = kind
        else:
            count = guess.sample.columns[column].count(value)
            guess.questions.append(
                Question(
                    f"value:{value}",
                    f"{column} holds {value!r} ({count:,} times): what is it?",
                    ("purchase", "view", "click", "add_to_cart", "rating", "return", LEFT_OUT),
                    f"--map-value event_type:{value}={{}}",
                )
            )
    if renamed:
        guess.options.setdefault("value_map", {})["event_type"] = renamed
        told = ", ".join(f"{old} is {new or 'left out'}" for old, new in renamed.items())
        guess.reasons[column] += f"; {told}"
