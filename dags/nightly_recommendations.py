"""
### nightly_recommendations

Turns yesterday's day files into tonight's published top-N lists.

**Makes**: `serving.*` tables, a publication under `<home>/publications/`, a parent run with one
child per candidate and window in MLflow, and `<home>/runs/night-<as_of>/report.md`.

**Waits for**: the sources of `[[sources]]`, which it lands first, and day files in
`<home>/landing/` for the days before `as_of`. A missing day is an
empty day; `check_events` warns about it and stops the night when a whole week is missing, and
`load_days` refuses a night with none for `features.stale_error_days`, before anything changes.

**Night**: the parameter `as_of`, else the logical date. Events before `as_of` 00:00 UTC are known.

**By hand**: `recsys run --as-of DAY`

**Safe to rerun**: yes, every task. The same night twice gives the same rows and the same lists.
When a night is run after a later one, `replay_later_nights` decides the later ones anew.

| task that failed | what it means | what to do |
|---|---|---|
| `land_sources` | a source of `[[sources]]` is not there, not reachable or not of its layout; the others are landed | the message names it; mend it and clear the task, or set `required = false` for a source a night may do without |
| `load_days` | there is no day file of the days before the night (a home that ends years ago has none for today: run the night that the message names), one lacks a column, or has too many bad rows; nothing was changed | read the message, fix the file, clear the task; `recsys quarantine list` shows single bad rows |
| `check_events` | what arrived is implausible (see `check_events.html` in the run folder) | compare with the source; clear the task when the late files are there |
| `build_features` | a dbt node failed; the log names it | `recsys features --as-of DAY`; then clear the task |
| `take_snapshot`, `check_features` | the feature tables are incomplete or implausible | clear from `build_features` |
| `check_windows` | a placement without a champion has nobody to score | the message names the setting and the figures found |
| `plan_candidates` | no candidate in the settings, or the settings are wrong | `recsys doctor` |
| `evaluate_candidate` | one recommender failed; the others still compete | fix it before the next night |
| `select_challengers` | no candidate at all could be evaluated | see the mapped tasks' logs |
| `decide_gates` | evaluations are unreadable | clear from `plan_candidates` |
| `draw_plots` | the lists are not affected | clear the task |
| `refit_placement`, `generate_lists`, `generate_similar` | memory, or a recommender that cannot be refitted | yesterday's lists stay live; clear the task |
| `audit_lists` | the lists break a rule; CURRENT stays as it was | `audit.json` in the run folder says which and by how much |
| `publish` | lock held or disk full; CURRENT stays as it was | clear the task |
| `push_postgres` | the lists are live; Postgres still has the last ones | see the message, then clear the task, or `recsys push-postgres` |
| `promote_aliases`, `report_night`, `replay_later_nights` | the lists are live already | clear the task |
| `observe_night` | the lists are live; nobody compared the night's metrics with those before | clear the task |

Yesterday's lists are one command away: `recsys rollback`. They stay live until `recsys unpin`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Asset, Param, TriggerRule, dag, task

from pipelines.run.failures import report_failure

NIGHT = Asset("recsys-night")  # updated when a night's lists are live; experiments wait for it
TASK_TIMEOUT = timedelta(hours=6)  # a step that hangs fails long before the next night
WAREHOUSE_POOL = "warehouse"  # one slot: one writer of the DuckDB file at a time
# A template and no arrow: a task waits for the tasks before it, not also for `choose_night`.
AS_OF = "{{ ti.xcom_pull(task_ids='choose_night') }}"


@task
def choose_night(params: dict, logical_date: datetime | None = None) -> str:
    """Say which night this run is."""
    from pipelines.run.night import resolve_as_of

    return resolve_as_of(params["as_of"], logical_date)


def step(verb: str, *, in_warehouse: bool = False, **options: object):
    """Make the task of a verb; mapped tasks also say which `subject` they work on."""
    pool = {"pool": WAREHOUSE_POOL} if in_warehouse else {}

    @task(task_id=verb, **pool, **options)
    def call(as_of: str, subject: str | None = None):
        from pipelines.run.night import call_verb

        return call_verb(verb, as_of, subject)

    return call


@dag(
    schedule="0 2 * * *",
    start_date=datetime(2010, 12, 1),
    catchup=False,
    max_active_runs=1,
    params={"as_of": Param(None, type=["null", "string"], description="Night, YYYY-MM-DD")},
    default_args={
        "owner": "recommendations",
        "retries": 1,
        "retry_delay": timedelta(seconds=20),
        "execution_timeout": TASK_TIMEOUT,
        "on_failure_callback": report_failure,
    },
    tags=["recommendations", "nightly"],
    doc_md=__doc__,
)
def nightly_recommendations() -> None:
    """Land, load, check, build, compare, gate, refit, list, audit, publish, report."""
    land = step("land_sources", in_warehouse=True)(AS_OF)
    load = step("load_days", in_warehouse=True)(AS_OF)
    check_raw = step("check_events", in_warehouse=True)(AS_OF)
    build = step("build_features", in_warehouse=True)(AS_OF)
    snapshot = step("take_snapshot", in_warehouse=True)(AS_OF)
    windows = step("check_windows", in_warehouse=True, retries=0)(AS_OF)
    check_built = step("check_features")(AS_OF)
    plan = step("plan_candidates", in_warehouse=True)(AS_OF)
    evaluate = step("evaluate_candidate", max_active_tis_per_dagrun=2)
    evaluated = evaluate.partial(as_of=AS_OF).expand(subject=plan)
    select = step(
        "select_challengers",
        in_warehouse=True,
        trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,  # one failed candidate loses no night
    )(AS_OF)
    placements = step("decide_gates", in_warehouse=True)(AS_OF)
    plots = step("draw_plots")(AS_OF)
    refit = step("refit_placement", max_active_tis_per_dagrun=1)
    refitted = refit.partial(as_of=AS_OF).expand(subject=placements)
    generate = step("generate_lists", max_active_tis_per_dagrun=1)
    lists = generate.partial(as_of=AS_OF).expand(subject=placements)
    similar = step("generate_similar")(AS_OF)
    audit = step("audit_lists")(AS_OF)
    publish = step("publish", in_warehouse=True)(AS_OF)
    postgres = step("push_postgres")(AS_OF)
    aliases = step("promote_aliases")(AS_OF)
    report = step("report_night", outlets=[NIGHT])(AS_OF)
    replay = step("replay_later_nights", in_warehouse=True)(AS_OF)
    observe = step("observe_night", in_warehouse=True)(AS_OF)

    (
        choose_night()
        >> land
        >> load
        >> check_raw
        >> build
        >> snapshot
        >> windows
        >> check_built
        >> plan
    )
    evaluated >> select >> placements >> plots
    refitted >> lists >> similar >> audit >> publish >> aliases >> report >> replay
    # tasks of their own: a failure is seen and repeated, and holds up nothing
    publish >> postgres
    aliases >> observe


nightly_recommendations()
