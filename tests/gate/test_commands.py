from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pipelines.gate.commands import gate_command


@pytest.fixture
def run_gate(shop, tmp_path):
    """Call `recsys gate` on the small home, with its settings in a TOML file."""
    config = tmp_path / "shop.toml"
    config.write_text(
        """
        [events.weights]
        purchase = 1.0
        [gate]
        min_users = 2
        min_segment_users = 2
        [placements.discover]
        list_length = 5
        [[candidates]]
        name = "popularity"
        recommender = "popularity"
        [[candidates]]
        name = "recent_popularity"
        recommender = "popularity"
        params = { half_life_days = 10.0 }
        [[candidates]]
        name = "item_knn"
        recommender = "item_knn"
        params = { n_neighbors = 5 }
        [[candidates]]
        name = "ease"
        recommender = "ease"
        params = { regularization = 5.0 }
        """
    )

    def run(*arguments: str) -> str:
        options = ["--as-of", "2024-03-01", "--home", str(shop.home), "--config", str(config)]
        answer = CliRunner().invoke(gate_command, [*options, *arguments], catch_exceptions=False)
        assert answer.exit_code == 0
        return answer.output

    return run


def test_gate_prints_verdict_and_rules(run_gate, shop, evaluate_all):
    evaluate_all(shop)
    output = run_gate()
    assert "discover\nFirst night: the best baseline of selection" in output
    assert "ease replaces recent_popularity" in " ".join(output.split())
    for word in ("beats_champion", "ndcg_floor", "reported", "+.2000"):
        assert word in output


def test_gate_prints_json_for_programs(run_gate, shop, evaluate_all):
    evaluate_all(shop)
    verdict = json.loads(run_gate("--json"))["discover"]
    assert (verdict["is_promoted"], verdict["champion"]["name"]) == (True, "ease")


def test_refusal_is_a_verdict_and_not_a_failure(run_gate, shop, evaluate_all):
    evaluate_all(shop, recent_popularity=0.9)
    assert "recent_popularity stays" in run_gate()
