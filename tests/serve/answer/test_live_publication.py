from __future__ import annotations

import os
from datetime import timedelta

import pytest

from pipelines.base.current import POINTER, point_to
from pipelines.base.errors import RequestRefusedError
from pipelines.serve.answer.live_publication import LivePublication
from tests.serve.publications import AS_OF, publish_by_hand


class Seen:
    """What the live publication told."""

    def __init__(self):
        self.before, self.swapped, self.failures = [], [], 0

    def fail(self):
        self.failures += 1


@pytest.fixture
def seen():
    return Seen()


@pytest.fixture
def settings(make_settings):
    return make_settings()


@pytest.fixture
def live(settings, seen):
    one = LivePublication(
        settings,
        before_swap=lambda store: seen.before.append(store.publication_id),
        on_swap=lambda store: seen.swapped.append(store.publication_id),
        on_failure=seen.fail,
    )
    yield one
    one.close()


def id_of(live):
    with live.use() as held:
        return held.store.publication_id


def test_nothing_is_ready_until_a_publication_is_there(live, seen, settings, content):
    live.poll()
    assert (live.is_ready, seen.failures) == (False, 1)
    with pytest.raises(RequestRefusedError, match="There is none yet") as refusal, live.use():
        pass
    assert refusal.value.status == 503
    wanted = publish_by_hand(settings, content())
    live.poll()
    assert id_of(live) == wanted.publication_id
    assert seen.before == seen.swapped == [wanted.publication_id]


def test_a_new_pointer_swaps_and_the_same_one_does_not(live, seen, settings, content):
    publish_by_hand(settings, content(), tag="00000001")
    live.poll()
    live.poll()
    publish_by_hand(settings, content(), tag="00000002", as_of=AS_OF + timedelta(days=1))
    live.poll()
    assert seen.swapped == ["2024-03-10-00000001", "2024-03-11-00000002"]


def test_a_request_keeps_the_store_it_started_with_and_the_last_one_closes_it(
    live, settings, content
):
    publish_by_hand(settings, content(), tag="00000001")
    live.poll()
    with live.use() as first, live.use() as second:
        publish_by_hand(settings, content(), tag="00000002")
        live.poll()
        assert id_of(live) == "2024-03-10-00000002"
        assert first.store.get_list("discover", "control", "u1").items[0] == "a"
    assert second.readers == 0
    with pytest.raises(Exception, match="closed"):
        first.store.get_list("discover", "control", "u1")


def spoil_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: spoil_byte(folder / "lists.sqlite"),
        lambda folder: os.truncate(folder / "lists.sqlite", 100),
        lambda folder: (folder / "lists.sqlite").unlink(),
        lambda folder: spoil_byte(folder / "manifest.json"),
    ],
    ids=["bit", "truncated", "gone", "manifest"],
)
def test_a_damaged_publication_is_refused_and_the_old_one_answers(
    live, seen, settings, content, harm
):
    publish_by_hand(settings, content(), tag="00000001")
    live.poll()
    bad = publish_by_hand(settings, content(), tag="00000002", make_live=False)
    harm(bad.folder)
    point_to(settings, bad)
    live.poll()
    assert id_of(live) == "2024-03-10-00000001"
    assert (live.is_ready, seen.failures) == (True, 1)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"publication_id": "../../etc"}'])
def test_a_broken_pointer_is_refused_and_the_old_one_answers(live, seen, settings, content, text):
    publish_by_hand(settings, content(), tag="00000001")
    live.poll()
    (settings.publications / POINTER).write_text(text)
    live.poll()
    assert id_of(live) == "2024-03-10-00000001"
    assert seen.failures == 1


def test_what_was_refused_is_tried_again_less_and_less_often_until_it_is_mended(
    live, seen, settings, content
):
    bad = publish_by_hand(settings, content())
    path = bad.folder / "lists.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    for _ in range(20):
        live.poll()
    assert seen.failures == 5  # polls 1, 2, 4, 7, 12; then one in seventeen
    path.write_bytes(whole)
    for _ in range(17):
        live.poll()
    assert live.is_ready


def test_a_layout_of_another_version_is_refused(live, seen, settings, content, monkeypatch):
    publish_by_hand(settings, content(), tag="00000001")
    live.poll()
    monkeypatch.setattr("tests.serve.publications.LOOKUPS_VERSION", "1")
    publish_by_hand(settings, content(), tag="00000002")
    live.poll()
    assert id_of(live) == "2024-03-10-00000001"
    assert seen.failures == 1


def test_closing_waits_for_nobody_and_lets_the_last_reader_close(live, settings, content):
    publish_by_hand(settings, content())
    live.poll()
    with live.use() as held:
        live.close()
        assert held.store.get_fallback("discover").items[0] == "k"
    assert not live.is_ready
