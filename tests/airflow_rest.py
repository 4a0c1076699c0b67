"""What tests ask of a real Airflow over its REST API."""

from __future__ import annotations

import json
import time
import urllib.request


def start_run(runs, token, conf):
    """Trigger the DAG; None while Airflow's SQLite is locked by its own parsing of the DAGs."""
    return tell(runs, token, {"logical_date": None, "conf": conf})


def tell(address, token, body, method="POST"):
    """Change something; None while Airflow's SQLite is locked by its own parsing of the DAGs."""
    try:
        return ask(address, token, body, method=method)
    except AssertionError as error:
        if "Database error" not in str(error):
            raise
        return None


def ask(address, token=None, body=None, method="GET"):
    """One call of Airflow's REST API; None if it is not there yet."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if method == "GET" and error.code == 404:
            return None
        raise AssertionError(f"{method} {address}: {error.code} {error.read()[:500]}") from error


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(1)
    raise AssertionError(f"nothing after {seconds} s")
