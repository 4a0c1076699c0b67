from __future__ import annotations

from pipelines.audit.audit import audit_lists
from pipelines.base.current import read_publication
from pipelines.base.durable import file_sha256, write_json
from pipelines.publications.publish import publish


def test_the_manifest_tells_models_gate_metrics_audit_and_hashes(shop, make_lists):
    night = make_lists()
    run = shop.run_folder(night)
    write_json(run.gate("discover"), {"is_promoted": True})
    metrics = {"ndcg_at_10": {"all": {"value": 0.25}}}
    folder = run.evaluation("item_knn", "gate", "discover")
    write_json(folder / "metrics.json", {"metrics": metrics})
    write_json(run.tracking, {"parent_run_id": "0123"})
    audit_lists(shop, night)
    publication = read_publication(shop, publish(shop, night)["publication_id"])
    manifest = publication.manifest
    assert manifest["models"]["discover"]["candidate"] == "item_knn"
    assert manifest["gate"] == {"discover": {"is_promoted": True}, "for_you": None}
    assert manifest["metrics"] == {"discover": metrics, "for_you": None}
    assert manifest["audit"]["discover/control/rows"] == 60
    assert manifest["list_lengths"] == {"discover": 5, "for_you": 5}
    assert manifest["run_id"] == "0123"
    assert set(manifest["files"]) == {"serving.duckdb", "lists.sqlite"}
    for name, entry in manifest["files"].items():
        path = publication.folder / name
        assert entry == {"sha256": file_sha256(path), "byte_count": path.stat().st_size}


def test_the_manifest_counts_people_apart_from_the_list_for_anyone(shop, one_night):
    manifest = read_publication(shop, one_night).manifest
    assert manifest["user_count"] == 12 and manifest["row_count"] == 120
    assert [(entry["placement"], entry["variant"]) for entry in manifest["lists"]] == [
        ("discover", "control"),
        ("discover", "fallback"),
        ("for_you", "control"),
        ("for_you", "fallback"),
    ]
