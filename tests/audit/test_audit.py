from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.audit.audit import audit_lists, list_files, read_audited_files
from pipelines.base.durable import file_sha256, read_json, write_json
from pipelines.base.errors import AuditError
from pipelines.lists.for_users import generate_lists
from pipelines.lists.similar_items import generate_similar


def by_rule(report, placement="discover"):
    return {
        entry["rule"]: entry
        for entry in report["rules"]
        if (entry["placement"], entry["variant"]) == (placement, "control")
    }


def failures(settings, night):
    with pytest.raises(AuditError):
        audit_lists(settings, night)
    report = read_json(settings.run_folder(night).audit)
    return {entry["rule"] for entry in report["rules"] if not entry["passed"]}


def with_audit(settings, **thresholds):
    return settings.model_copy(update={"audit": settings.audit.model_copy(update=thresholds)})


def test_the_first_night_passes_and_says_what_was_not_compared(shop, make_lists):
    report = audit_lists(shop, make_lists())
    assert report["passed"] and report["compared_with"] is None
    assert report["notes"] == ["first publication: nothing to compare with"]
    rules = by_rule(report)
    assert rules["users_ratio"]["found"] is None and rules["overlap_at_10"]["found"] is None


def test_the_report_names_the_files_it_is_about(shop, make_lists):
    night = make_lists()
    report = audit_lists(shop, night)
    folder = shop.run_folder(night).lists
    sides = ["similar.parquet", *(f"exclusions/{name}.parquet" for name in shop.placements)]
    named = [*list_files(shop, night), *sides]
    assert report["files"] == {name: file_sha256(folder / name) for name in named}
    assert len(report["files"]) == 7


def test_the_next_night_is_compared_with_the_one_before(shop, publish_night, make_lists):
    before = publish_night()
    report = audit_lists(shop, make_lists(before_to_next(before)))
    rules = by_rule(report)
    assert report["compared_with"] == before
    assert rules["users_ratio"]["found"] == 1 and rules["coverage_ratio"]["found"] == 1
    assert rules["overlap_at_10"]["found"] == 1


def before_to_next(publication_id):
    from pipelines.base.current import date_of

    return date_of(publication_id) + timedelta(days=1)


def test_a_night_is_not_compared_with_itself(shop, publish_night, make_lists):
    publish_night()
    assert audit_lists(shop, make_lists())["compared_with"] is None


def test_too_few_users_fail(shop, publish_night, make_lists, bought_rows):
    before = publish_night()
    few = [row for row in bought_rows if row[0] < "u10"]
    assert failures(shop, make_lists(before_to_next(before), events=few)) == {"users_ratio"}


def test_too_many_users_fail(shop, publish_night, make_lists, bought_rows):
    before = publish_night(events=[row for row in bought_rows if row[0] < "u07"])
    assert "users_ratio" in failures(shop, make_lists(before_to_next(before)))


def test_a_fall_in_coverage_fails(shop, publish_night, make_lists):
    strict = with_audit(shop, min_overlap_at_10=0.0)
    night = before_to_next(publish_night())
    both = {"discover": "recent_popularity", "for_you": "recent_popularity"}
    assert failures(with_audit(strict, min_coverage_ratio=0.99), make_lists(night, champions=both))


def test_lists_that_have_nothing_in_common_with_the_last_fail(shop, publish_night, make_lists):
    night = before_to_next(publish_night())
    moved = [
        (f"u{user:02}", f"i{(user + 6 + step) % 14:02}", "purchase", 1 + step)
        for user in range(12)
        for step in range(3)
    ]
    assert "overlap_at_10" in failures(
        with_audit(shop, min_overlap_at_10=0.6), make_lists(night, events=moved)
    )


def test_a_promotion_may_change_the_lists_as_far_as_its_own_threshold(
    shop, publish_night, make_lists
):
    night = before_to_next(publish_night())
    make_lists(night, champions={"discover": "recent_popularity", "for_you": "personal_frequency"})
    strict = with_audit(shop, min_overlap_at_10=1.0)
    discover, for_you = (
        by_rule(audit_lists(strict, night), placement)["overlap_at_10"]
        for placement in ("discover", "for_you")
    )
    assert discover["found"] < 1 and discover["threshold"] == "at least 0"
    assert discover["note"].endswith("another champion was promoted since")
    assert for_you["threshold"] == "at least 1"
    assert failures(with_audit(shop, min_overlap_after_promotion=1.0), night) == {"overlap_at_10"}


def test_a_damaged_publication_is_passed_over_and_named(shop, publish_night, make_lists):
    first = publish_night()
    second = publish_night(before_to_next(first))
    (shop.publications / second / "lists.sqlite").write_bytes(b"")
    report = audit_lists(shop, make_lists(before_to_next(second)))
    assert report["compared_with"] == first
    assert report["notes"] == [f"{second} is damaged and was passed over"]


def test_a_placement_without_lists_fails(shop, make_night):
    night = make_night()
    generate_lists(shop, night, "for_you")
    generate_similar(shop, night)
    assert failures(shop, night) == {"rows", "fallback_present"}


def test_the_message_lists_every_failure_and_what_to_do(shop, make_night):
    with pytest.raises(AuditError) as caught:
        audit_lists(shop, make_night())
    text = str(caught.value)
    assert "discover/control: rows must be more than 0. Found 0." in text
    assert "for_you/fallback: fallback_present" in text
    assert "run `recsys publish` again" in text


def test_lists_without_an_audit_are_not_published(shop, make_lists):
    with pytest.raises(AuditError, match=r"Found no .*audit\.json"):
        read_audited_files(shop, make_lists())


def test_lists_that_failed_are_not_published(shop, make_lists):
    night = make_lists()
    write_json(shop.run_folder(night).audit, {"passed": "yes", "files": {}})
    with pytest.raises(AuditError, match="failed"):
        read_audited_files(shop, night)


def test_lists_changed_since_the_audit_are_not_published(shop, make_lists):
    night = make_lists()
    audit_lists(shop, night)
    path = shop.run_folder(night).variant("for_you", "control")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(AuditError, match="Exactly the audited list files"):
        read_audited_files(shop, night)
