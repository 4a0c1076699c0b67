from __future__ import annotations

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pipelines.base.config import parse_settings
from pipelines.serve.http import schemas
from pipelines.serve.http.app import create_app
from pipelines.serve.log.event_rows import FIELDS

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


def attack(api, n_examples):
    """Requests made from the API's own description, good and bad; returns how often each status."""
    document = schemathesis.openapi.from_url(api.address + "/openapi.json")
    counts: dict[tuple[str, int], int] = {}
    for result in document.get_all_operations():
        operation = result.ok()
        # a route without parameters has no wrong ones
        modes = MODES if "/v1/" in operation.label else MODES[:1]
        for mode in modes:
            run_one(operation.as_strategy(generation_mode=mode), counts, n_examples)
    return counts


def run_one(strategy, counts, n_examples):
    @given(case=strategy)
    @settings(
        max_examples=n_examples,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    def test(case):
        answer = case.call()
        case.validate_response(answer, checks=CHECKS)
        key = (case.operation.label, answer.status_code)
        counts[key] = counts.get(key, 0) + 1

    test()


def check(counts):
    statuses = {status for _, status in counts}
    assert {200, 422} <= statuses
    assert not {status for status in statuses if status >= 500}
    assert {label for label, _ in counts} >= {
        "GET /v1/recommendations/{user_id}",
        "GET /v1/items/{item_id}/similar",
        "POST /v1/events",
        "POST /v1/items/availability",
    }


def test_requests_made_from_the_apis_own_description_meet_no_surprise(api):
    check(attack(api, 25))


@pytest.mark.prove
def test_thousands_of_requests_made_from_the_description_meet_no_surprise(api):
    counts = attack(api, 200)
    check(counts)
    print(json.dumps({f"{label} {status}": n for (label, status), n in sorted(counts.items())}))


def test_the_description_has_an_example_and_every_error_of_each_route(tmp_path):
    paths = create_app(parse_settings({"home": tmp_path})).openapi()["paths"]
    for path, operations in paths.items():
        for operation in operations.values():
            assert {"401", "422", "429", "500", "503"} <= set(operation["responses"]), path
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert set(answer["content"]) == {"application/problem+json"}, (path, status)
    body = paths["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    assert body["example"] == {"events": [schemas.EVENT]}
    listed = paths["/v1/recommendations/{user_id}"]["get"]["responses"]["200"]
    assert schemas.Recommendations.model_validate(listed["content"]["application/json"]["example"])


def test_the_rows_of_the_description_have_the_fields_that_are_read():
    assert set(schemas.EVENT_ROW["properties"]) == set(FIELDS)
