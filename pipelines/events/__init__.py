"""Load day files into the raw tables.

In: `landing/{events,items}/date=YYYY-MM-DD/*.{parquet,csv,jsonl}`, written by anyone, by `land` or
    by `generate`, and the API's logs, `exposures/date=YYYY-MM-DD/*.jsonl`. The ledger of sources,
    `landing/_sources/*.json`, says which of them `land` made from what.
Out: `raw.events`, `raw.items`, `raw.quarantine`, `raw.loads`, `load.json`, `check_events.json`.
Grain: one row per event_id (or item_id and valid_from) and landed_date; a day is replaced whole.
Fails when: there is no day file, or none of a feed that is loaded; a column is missing or retyped,
    too many rows are bad, or a critical check fails.
"""
