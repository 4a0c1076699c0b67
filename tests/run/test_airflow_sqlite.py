from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import create_engine, text

from pipelines.run import airflow_sqlite
from pipelines.run.scheduler import airflow_environment


def test_processes_of_airflow_wait_for_each_other_instead_of_failing(make_settings):
    settings = make_settings()
    settings.airflow.mkdir(parents=True)
    environment = airflow_environment(settings)
    named = environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS"]
    assert named == f"{airflow_sqlite.__name__}.CONNECT_ARGUMENTS"
    engine = create_engine(
        environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"],
        connect_args=airflow_sqlite.CONNECT_ARGUMENTS,
    )
    with engine.begin() as connection:
        assert connection.execute(text("pragma busy_timeout")).scalar() == 60_000
        connection.execute(text("pragma journal_mode = wal"))
        connection.execute(text("create table writes (process text)"))

    def write_after_a_look(process):
        for _ in range(100):
            with engine.connect() as connection:
                with connection.begin_nested():
                    connection.execute(text("select count(*) from writes")).scalar()
                    connection.execute(text("insert into writes values (:p)"), {"p": process})
                connection.commit()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write_after_a_look, "abcd"))
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from writes")).scalar() == 400
    engine.dispose()
