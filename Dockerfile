# One image for Airflow's services, the MLflow server and every job.
# By tag, not digest: security fixes of Debian and of Python 3.12 come with a rebuild, and all that can
# change a list is held by the hashes in requirements.lock. Who must rebuild bit by bit pins a digest here.
FROM python:3.12-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TZ=UTC
RUN useradd --create-home --uid 10001 recsys \
    && mkdir -p /var/lib/recsys && chown recsys /var/lib/recsys
WORKDIR /opt/recsys
COPY requirements.lock pyproject.toml README.md LICENSE NOTICE ./
# Compiled here: at run time nobody may write there, and each process would compile them anew.
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-deps --compile-bytecode --require-hashes -r requirements.lock
COPY pipelines ./pipelines
COPY dags ./dags
COPY dbt_project ./dbt_project
COPY data ./data
COPY recsys.toml ./
RUN uv pip install --system --no-deps --editable .
USER recsys
CMD ["recsys", "--help"]
