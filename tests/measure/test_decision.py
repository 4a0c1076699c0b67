import pytest

from pipelines.experiments.definition import Guardrail
from pipelines.measure.decision import ArmEffect, decide_arm
from pipelines.measure.effects import Effect


def effect(low, high, reason=None):
    estimate = None if low is None else (low + high) / 2
    lift = Effect(estimate, None, low, high, None, reason)
    return ArmEffect(lift, lift)


BETTER, OPEN, WORSE = effect(0.01, 0.1), effect(-0.02, 0.1), effect(-0.1, -0.01)
UNKNOWN = effect(None, None, "control has 3 users")


@pytest.mark.parametrize(
    ("goal", "rail", "changes", "verdict", "says"),
    [
        (BETTER, effect(-0.01, 0.1), {}, "ship", "the goal is better"),
        (BETTER, effect(-0.05, 0.1), {}, "continue", "may be worse by more than 2%"),
        (BETTER, UNKNOWN, {}, "continue", "control has 3 users"),
        (BETTER, effect(-0.09, -0.03), {}, "roll back", "revenue is worse"),
        (WORSE, BETTER, {}, "roll back", "the goal is worse"),
        (OPEN, BETTER, {}, "continue", "not told apart"),
        (OPEN, BETTER, {"is_full": True}, "no decision", "not told apart"),
        (UNKNOWN, BETTER, {"is_full": True}, "no decision", "control has 3 users"),
        (BETTER, BETTER, {"days": 6}, "continue", "6 of 7 days"),
        (WORSE, BETTER, {"days": 2}, "roll back", "worse"),
        (BETTER, BETTER, {"faults": ["arms have other shares"]}, "void", "other shares"),
    ],
)
def test_the_rule(goal, rail, changes, verdict, says):
    options = {"faults": [], "days": 7, "min_days": 7, "is_full": False, **changes}
    found = decide_arm(goal, [(Guardrail(metric="revenue", margin=0.02), rail)], **options)
    assert found.verdict == verdict
    assert says in found.reason
