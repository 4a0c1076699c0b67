from __future__ import annotations

import pytest

from pipelines.start.column_names import role_of_name


@pytest.mark.parametrize(
    ("role", "names"),
    {
        "user_id": "customer CustomerID user_id kundennummer Kunden-Nr id_cliente utilisateur email klant",
        "item_id": "sku StockCode product_id Artikelnummer articulo reference asin movieId variant_sku",
        "event_at": "date order_date Bestelldatum fecha_compra timestamp created_at InvoiceDate t_dat",
        "quantity": "qty Quantity Menge cantidad quantite aantal",
        "price": "price UnitPrice Einzelpreis precio_unitario prix",
        "rating": "rating Book-Rating overall Bewertung",
        "session_id": "order_no InvoiceNo Bestellnummer basket_id pedido",
        "title": "title product_name Bezeichnung Artikelbezeichnung nombre libelle",
        "category": "category genres Warengruppe product_category",
        "event_type": "event event_type action event_name",
    }.items(),
)
def test_names_in_several_languages_speak_for_a_role(role, names):
    assert {name: role_of_name(name) for name in names.split()} == {
        name: (role, True) for name in names.split()
    }


@pytest.mark.parametrize("name", ["customer_country", "order_status", "shipped_at", "user_name"])
def test_a_name_with_a_word_that_is_not_known_is_not_taken(name):
    assert role_of_name(name)[1] is False


def test_a_name_that_says_nothing_has_no_role():
    assert role_of_name("colour") == (None, False)
