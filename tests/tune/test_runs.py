from __future__ import annotations

from collections.abc import Callable
from datetime import date

from pipelines.base.config import Settings
from pipelines.base.tracking import tracking_client
from pipelines.models.candidates import Spec
from pipelines.tune.runs import EXPERIMENT, log_trial

AS_OF = date(2024, 3, 1)
SPEC = Spec("ease", "ease", {"regularization": 20.0}, {"purchase": 1.0})


def test_a_trial_has_the_whole_specification_and_its_scores(
    make_settings: Callable[..., Settings], with_store: Callable
) -> None:
    settings = with_store(make_settings())
    cells = {"0_before.discover": 0.2, "1_before.discover": 0.4}
    for number in (0, 1):
        log_trial(settings, AS_OF, "study", number=number, spec=SPEC, value=0.3, cells=cells)

    client = tracking_client(settings)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    runs = client.search_runs([experiment], "tags.trial = '1'")
    assert [run.data.params["params.regularization"] for run in runs] == ["20.0"]
    assert runs[0].data.metrics == {
        "ndcg": 0.3,
        "ndcg.0_before.discover": 0.2,
        "ndcg.1_before.discover": 0.4,
    }
    assert len(client.search_runs([experiment], "tags.role = 'search'")) == 1


def test_a_server_that_is_down_stops_no_search(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(
        mlflow={"tracking_uri": "http://127.0.0.1:9", "timeout_seconds": 1, "restart_seconds": 0}
    )
    log_trial(settings, AS_OF, "study", number=0, spec=SPEC, value=0.3, cells={})
