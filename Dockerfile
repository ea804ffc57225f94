# syntax=docker/dockerfile:1
# One image for every process: pushwake run, serve, notify and the commands.
#   docker build -t pushwake .
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY deploy/requirements.txt deploy/requirements.txt
RUN python -m venv /opt/pushwake \
    && /opt/pushwake/bin/pip install --no-cache-dir --require-hashes --no-deps -r deploy/requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY models models
COPY pipelines pipelines
COPY detector detector
# The build back end is the only thing here without a pin of its own; nothing of it stays in the image.
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /dist . \
    && /opt/pushwake/bin/pip install --no-cache-dir --no-deps --no-index /dist/*.whl \
    && /opt/pushwake/bin/pip uninstall --yes --quiet pip
# The charts' script takes seconds to make, and could not be kept on a read-only file system.
RUN XDG_CACHE_HOME=/opt/pushwake/cache /opt/pushwake/bin/python -c 'from detector.report.bundle import bundle; bundle()'

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Pushwake" \
      org.opencontainers.image.description="Finds the errors an Istio control plane leaves in its wake" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --user-group --no-create-home pushwake \
    && install --directory --owner 10001 --group 10001 /var/lib/pushwake
COPY --from=build /opt/pushwake /opt/pushwake
ENV PATH=/opt/pushwake/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/opt/pushwake/cache \
    PUSHWAKE_STORE__URL=sqlite:////var/lib/pushwake/pushwake.db
USER 10001:10001
WORKDIR /var/lib/pushwake
VOLUME /var/lib/pushwake
# The root file system may be read-only: only the volume and /tmp are written to.
# Of the worker, which is what the image starts when it is told nothing; the others listen elsewhere.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9470/livez', timeout=4)"]
ENTRYPOINT ["pushwake"]
CMD ["run"]
