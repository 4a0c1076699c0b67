"""What the name of a column says, in the languages in which shops write their exports."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

#: Words of each role. A column with words of several has the first of these roles: an order date is
#: a time, a product name a title.
WORDS = {
    "event_at": """
        time timestamp ts date datetime at day dt when created ordered purchased bought
        invoiced rated datum dat zeit zeitpunkt zeitstempel tag uhrzeit
        fecha hora momento data ora quando
        horodatage heure jour dato tid tidspunkt tijd tijdstip paivays czas
    """,
    "quantity": """
        quantity qty units pieces menge anzahl stueck stuck stk cantidad unidades quantite quantita
        quantidade aantal antal ilosc
    """,
    "rating": """
        rating ratings score stars overall bewertung sterne puntuacion calificacion estrellas voto
        valutazione avaliacao nota beoordeling betyg ocena
    """,
    "price": "price preis prix precio prezzo preco prijs pris cena hinta",
    "title": """
        title name description desc label titel bezeichnung beschreibung titre libelle designation
        nom nombre titulo descripcion nome titolo descrizione descricao naam omschrijving navn namn
        beskrivning nazwa
    """,
    "category": """
        category categories genre genres department group collection kategorie warengruppe rubrik
        sortiment categorie famille rayon categoria familia reparto afdeling kategori kategoria
    """,
    "is_available": """
        available availability instock verfugbar verfuegbar lieferbar disponible disponibile
        disponivel beschikbaar
    """,
    "event_type": """
        event action behavior behaviour interaction activity ereignis aktion evento accion evenement
        azione acao gebeurtenis handelse
    """,
    "item_id": """
        item product prod article sku stockcode stock isbn asin ean gtin upc plu movie film track
        song book location poi venue variant lineitem content listing recipe game artikel
        produkt produit reference referenz producto articulo prodotto articolo produto
        artigo vare vara tuote towar
    """,
    "user_id": """
        user customer cust client visitor member account shopper buyer household person reviewer
        subscriber email mail uid kunde kunden kund nutzer benutzer kaufer kaeufer utilisateur
        acheteur cliente usuario comprador utente acquirente klant gebruiker kunder anvandare
        asiakas klient uzytkownik
    """,
    "session_id": """
        session order invoice transaction basket visit receipt checkout ticket cart bestellung
        bestell bestellungs beleg rechnung rechnungs warenkorb bon commande facture panier pedido
        factura carrito ordine fattura scontrino encomenda fatura bestelling ordre
    """,
}
#: Words that say nothing about the role.
NEUTRAL = """
    id ids t no nr num number key review code uuid hash pseudo unix unit single nummer kennung kauf
    einzel numero codigo codice unitario unitaire unitaria identifiant identificador of de des del
    du da di la le el purchase achat compra acquisto compras
"""
#: Words that name the type of a thing: of an event beside its word, else of a product.
TYPE_WORDS = {"type", "typ", "tipo", "art"}


@cache
def _vocabulary() -> dict[str, str]:
    """Role of each word; a word of several roles keeps the first."""
    found: dict[str, str] = {}
    for role, words in WORDS.items():
        for word in words.split():
            found.setdefault(word, role)
    return found | dict.fromkeys(NEUTRAL.split(), "") | dict.fromkeys(TYPE_WORDS, "type")


def split_name(name: str) -> list[str]:
    """Words of a column's name, in lower case and without accents.

    Examples
    --------
    >>> split_name("CustomerID"), split_name("Bestelldatum"), split_name("fecha_de_compra")
    (['customer', 'id'], ['bestell', 'datum'], ['fecha', 'de', 'compra'])
    """
    plain = unicodedata.normalize("NFKD", name.rpartition("[].")[2].replace("ß", "ss"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", plain)
    return [word for part in parts for word in _compound(part.lower())]


def _compound(word: str) -> list[str]:
    """Known words that a word is made of; the word itself if it is known or made of others."""
    known = _vocabulary()
    plural = word.removesuffix("s")
    if word in known or len(word) < 5:  # noqa: PLR2004 -- shorter ones are no compounds
        return [word]
    if plural in known:
        return [plural]
    for length in range(len(word) - 2, 2, -1):
        head, tail = word[:length], word[length:]
        if head.removesuffix("s") in known and (rest := _compound(tail))[0] in known:
            return [head if head in known else head.removesuffix("s"), *rest]
    return [word]


def role_of_name(name: str) -> tuple[str | None, bool]:
    """Role that a name speaks for, and whether every word of it is understood.

    Returns
    -------
    role : str or None
        A key of `WORDS`, ``type``, or ``event_id``; None if no word is known.
    is_plain : bool
        False where a word is unknown: `customer_country` speaks of a customer and of more.

    Examples
    --------
    >>> role_of_name("order_date"), role_of_name("Artikelnummer"), role_of_name("customer_country")
    (('event_at', True), ('item_id', True), ('user_id', False))
    """
    known, words = _vocabulary(), split_name(name)
    roles = {known.get(word) for word in words}
    if words == ["event", "id"]:
        return "event_id", True
    if words == ["event", "name"]:
        return "event_type", True
    if "type" in roles:
        return ("event_type" if "event_type" in roles else "type"), None not in roles
    is_plain = None not in roles and not {"user_id", "item_id"} <= roles
    role = next((role for role in WORDS if role in roles), None)
    if role == "title" and "user_id" in roles:
        return None, False
    return role, is_plain
