"""The console over the small shop's third night, asked over HTTP."""

from __future__ import annotations

import base64
import html
import re
import shlex
from functools import partial
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from pipelines.ask.query import query_user, run_sql
from pipelines.base.current import read_current, stored_ids
from pipelines.base.durable import read_json
from pipelines.base.errors import PublicationNotFoundError
from pipelines.base.warehouse import connect
from pipelines.serve.console.data import report_files
from pipelines.serve.console.frame import ROOMS
from pipelines.serve.console.items import items_page
from pipelines.serve.console.lists import lists_page
from pipelines.serve.console.live import publication_before
from pipelines.serve.console.nights import night_state
from pipelines.serve.console.people import people_page
from pipelines.serve.console.routes import FILE_POLICY
from pipelines.serve.http.app import create_app
from pipelines.serve.http.auth import make_key
from tests.conftest import shop_night

pytestmark = pytest.mark.xdist_group("console")
GATED = ("discover", "for_you")
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\x1b[31m'


def browse(settings, **console: bool) -> TestClient:
    changed = settings.model_copy(update={"console": settings.console.model_copy(update=console)})
    return TestClient(create_app(changed))


@pytest.fixture(scope="module")
def shop(shop_after):
    return shop_after(8, 9, 10)


@pytest.fixture(scope="module")
def client(shop):
    return browse(shop)


def text_of(answer) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", answer.text))


def test_every_link_answers_and_no_page_asks_for_a_script_or_another_host(client):
    seen, waiting = {"/console/style.css"}, ["/console"]
    while waiting:
        path = waiting.pop()
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "<script" not in answer.text and "//" not in answer.text.replace("<!doctype", "")
        assert "'none'" in answer.headers["content-security-policy"]
        linked = {html.unescape(one) for one in re.findall(r'href="(/[^"#]+)"', answer.text)}
        seen |= {path}
        # of people and items, who look alike, some; of everything else all
        waiting += [
            one
            for one in sorted(linked - seen - {*waiting})
            if "=" not in one or len([page for page in seen if "=" in page]) < 15
        ]
    assert set(ROOMS) <= seen and f"/console/nights/{shop_night(9)}" in seen
    assert f"/console/nights/{shop_night(10)}/events" in seen


def test_tonight_has_verdict_leaderboard_and_what_changed(client, shop):
    page = text_of(client.get("/console"))
    live, earlier = read_current(shop), stored_ids(shop)[-2]
    assert f"Night of {live.as_of}" in page and live.publication_id in page
    assert "NDCG@5 with its 95% interval" in page and "discover:" in page
    ids = {}
    for name in (live.publication_id, earlier):
        path = shop.publications / name / "serving.duckdb"
        with connect(shop, path=path, read_only=True) as connection:
            rows = connection.execute(
                "select distinct placement, item_id from recommendations"
            ).fetchall()
        ids[name] = set(rows)
    came = len(ids[live.publication_id] - ids[earlier])
    went = len(ids[earlier] - ids[live.publication_id])
    assert f"Against {earlier[:10]}" in page
    assert (f"{came} items that are shown now" in page) == (came > 0)
    assert (f"{went} items no longer shown" in page) == (went > 0)


def test_a_persons_page_has_the_history_and_the_lists_that_are_live(client, shop):
    asked = query_user(shop, "u007")
    page = text_of(client.get("/console/people?user=u007"))
    for row in [*asked["history"], *(row for rows in asked["lists"].values() for row in rows)]:
        assert row["title"] in page
    assert all(f"Shown in {name}" in page for name in asked["lists"])
    assert client.get("/console/people?user=nobody").status_code == 404
    assert client.get("/console/people?user=%00").status_code == 422


def test_an_items_page_counts_the_lists_that_show_it(client, shop):
    (item, lists, users), *_ = run_sql(
        shop,
        "select item_id, count(*) as lists, (select count(distinct user_id) from recommendations "
        "where placement = 'discover') from recommendations where placement = 'discover' "
        "group by item_id order by lists desc, item_id limit 1",
    ).itertuples(index=False)
    page = text_of(client.get(f"/console/items?item={item}"))
    row = re.search(r"discover\s+(\d+)\s+([\d.]+%)", page)
    assert row is not None and row.groups() == (str(lists), f"{lists / users:.1%}")
    weeks = [int(one) for one in re.findall(r"20\d\d-\d\d-\d\d\s+(\d+)\s", page)]
    with connect(shop, read_only=True) as warehouse:
        (events,) = warehouse.execute(
            "select count(*) from raw.events where item_id = $1 and event_at < $2",
            [item, shop_night(10)],
        ).fetchone()
    assert sum(weeks) == events > 0
    assert client.get("/console/items?item=unknown").status_code == 404


def test_a_part_of_a_title_finds_items(client):
    page = client.get("/console/items?words=NUMBER 1").text
    assert set(re.findall(r"item=(i\d\d)", page)) == {"i01", *(f"i1{n}" for n in range(10))}
    assert "No title or id has" in client.get("/console/items?words=nothing+like+it").text


def test_the_lists_as_a_whole_say_what_is_shown_to_nobody(client, shop):
    page = text_of(client.get("/console/lists"))
    never = run_sql(
        shop, "select count(*) as n from items anti join recommendations using (item_id)"
    )
    count = int(never["n"][0])
    assert (f"{count} items" in page) if count else ("Every item is in some list." in page)


def test_a_night_promoted_kept_or_published_nothing(small_shop):
    settings = small_shop(after=(8, 9, 10))
    nights = [shop_night(week) for week in (8, 9, 10)]
    gates = [
        [read_json(settings.run_folder(night).gate(name))["is_promoted"] for name in GATED]
        for night in nights
    ]
    expected = ["promoted" if any(gate) else "kept" for gate in gates]
    assert [night_state(settings, night) for night in nights] == expected
    settings.run_folder(nights[1]).publication.unlink()
    settings.run_folder(nights[1]).report.unlink()
    assert night_state(settings, nights[1]) == "not published"
    assert "✕" in browse(settings).get("/console").text
    assert (
        "the night has no report"
        in browse(settings).get(f"/console/nights/{nights[1]}").text.lower()
    )
    before = publication_before(settings, read_current(settings))
    assert before is not None and before.as_of == nights[1]  # its publication is still stored


def test_reports_are_those_of_experiments_and_backtests_and_nothing_else(make_settings):
    settings = make_settings()
    kept = settings.experiment_report("more_tea", shop_night(9)) / "report.html"
    kept.parent.mkdir(parents=True)
    kept.write_text("<p>the report</p>")
    assert list(report_files(settings)) == [f"experiments/more_tea/{shop_night(9)}"]
    client = browse(settings)
    assert (
        f'href="/console/reports/experiments/more_tea/{shop_night(9)}"'
        in client.get("/console/reports").text
    )
    answer = client.get(f"/console/reports/experiments/more_tea/{shop_night(9)}")
    assert "the report" in answer.text
    assert answer.headers["content-security-policy"] == FILE_POLICY
    for other in ("..%2F..%2Fwarehouse.duckdb", "experiments/more_tea/..", "etc/passwd"):
        assert client.get(f"/console/reports/{other}").status_code == 404


def test_no_page_needs_the_warehouse(small_shop):
    settings = small_shop(after=(8, 9, 10))
    settings.warehouse_path.unlink()
    client = browse(settings)
    for path in (*ROOMS, "/console/people?user=u007", "/console/items?item=i01"):
        assert client.get(path).status_code == 200, path


def test_pages_of_people_can_be_switched_off_and_so_can_all(shop):
    client = browse(shop, people=False)
    assert client.get("/console/people?user=u007").status_code == 404
    for path in ("/console", "/console/items", "/console/items?item=i01", "/console/lists"):
        page = client.get(path).text
        assert "/console/people" not in page and not re.search(r"\bu\d{3}\b", page), path
    assert browse(shop, enabled=False).get("/console").status_code == 404


def test_a_key_is_the_password_of_the_pages_and_of_nothing_else(shop):
    key, key_hash = make_key()
    keyed = shop.model_copy(update={"serve": shop.serve.model_copy(update={"keys": (key_hash,)})})
    client = TestClient(create_app(keyed))
    asked = {"Authorization": "Basic " + base64.b64encode(f"anna:{key}".encode()).decode()}
    refused = client.get("/console")
    assert (refused.status_code, refused.headers["www-authenticate"][:5]) == (401, "Basic")
    assert client.get("/console", headers=asked).status_code == 200
    assert client.get("/v1/recommendations/u007", headers=asked).status_code == 401


def test_titles_reasons_and_ids_are_text_wherever_they_stand(small_shop):
    settings = small_shop(after=(8, 9, 10))
    user = HOSTILE[:30]
    with connect(settings, path=read_current(settings).serving_path) as connection:
        connection.execute("update items set title = $1, category = $1", [HOSTILE])
        connection.execute("update recommendations set reason = $1", [HOSTILE])
        connection.execute("update similar_items set reason = $1", [HOSTILE])
        connection.execute("update recommendations set user_id = $1 where user_id = 'u007'", [user])
    client = browse(settings)
    for path in (
        *ROOMS,
        f"/console/people?user={quote(user)}",
        "/console/items?item=i01",
        f"/console/items?words={quote(HOSTILE[:20])}",
        f"/console/items?words={quote(HOSTILE)}",
        f"/console/people?user={quote(HOSTILE[:20])}",
        f"/console/nights/{quote(HOSTILE[:7])}",
    ):
        page = client.get(path).text
        assert "<script" not in page and "<img" not in page and "\x1b" not in page, path
    assert "alert(1)" in client.get("/console/items?item=i01").text
    pasted = text_of(client.get(f"/console/people?user={quote(user)}"))
    assert f"recsys why --user {shlex.quote(user)} --home" in pasted


def test_a_home_without_a_night_says_what_to_do(make_settings):
    settings = make_settings()
    client = browse(settings)
    assert "There is no night yet" in client.get("/console").text
    for make in (lists_page, partial(items_page, item="", words=""), partial(people_page, user="")):
        with pytest.raises(PublicationNotFoundError):
            make(settings)
    assert client.get("/console/lists").status_code == 503
    assert client.get("/console/data").status_code == 200
