# A small real mesh to watch: Envoys, a control plane that speaks xDS, applications, clients and a shipper, in one
# container and on its loopback. For demos; nothing of it belongs into a cluster.
FROM python:3.11-slim-bookworm
WORKDIR /src
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements.txt
COPY models models
COPY pipelines pipelines
COPY detector detector
COPY lab lab
# Envoy's protos live apart from the environment; the lab fetches them, pinned by hash.
RUN python -c "from lab.parts import protos; protos()"
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["python", "-m", "lab"]
CMD ["story", "--kafka", "kafka:9092"]
