# One image for every process of ours; what it runs is the command. Build argument EXTRAS: what to install besides
# the package itself (azure, k8s, sandbox).
FROM python:3.11-slim AS build
ARG EXTRAS=azure,k8s
RUN pip install --no-cache-dir "uv>=0.9,<1"
WORKDIR /src
RUN python -m venv /opt/nomis-pipelines
COPY pyproject.toml requirements.lock README.md LICENSE ./
# the dependencies in a layer of their own, which a change of our code leaves alone; versions from the lock file
RUN mkdir nomis_pipelines && touch nomis_pipelines/__init__.py \
    && uv pip install --no-cache --python /opt/nomis-pipelines/bin/python --constraint requirements.lock ".[${EXTRAS}]" \
    && uv pip uninstall --python /opt/nomis-pipelines/bin/python nomis-pipelines && rm -r nomis_pipelines
COPY nomis_pipelines nomis_pipelines
RUN uv pip install --no-cache --python /opt/nomis-pipelines/bin/python --no-deps .

FROM python:3.11-slim AS runtime
RUN useradd --uid 2000 --create-home --shell /usr/sbin/nologin nomis-pipelines
COPY --from=build /opt/nomis-pipelines /opt/nomis-pipelines
ENV PATH=/opt/nomis-pipelines/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TZ=Europe/London \
    DAGSTER_HOME=/home/nomis-pipelines/dagster
USER 2000:2000
WORKDIR /home/nomis-pipelines
COPY --chown=2000:2000 dagster.yaml dagster/dagster.yaml
COPY --chown=2000:2000 docker/workspace.yaml workspace.yaml
EXPOSE 3000 4000
CMD ["dagster", "api", "grpc", "--module-name", "nomis_pipelines.definitions", "--host", "0.0.0.0", "--port", "4000"]
