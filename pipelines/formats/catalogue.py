"""What is recognised, with an example of each: what ``pushwake formats`` lists."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """A recognised format. ``name`` is what Entry.format says; ``sample`` is read as it."""

    name: str
    description: str
    sample: str


_HEADERS = '"-" "okhttp/3.12" "0f0e9a3e-6b1c-9d2b-8a52-7d1f8f0c5a11" "orders"'
_TAIL = "outbound|80||orders.shop.svc.cluster.local 10.4.2.7:5000 10.0.9.3:80 10.4.2.7:41514"

FORMATS: list[Format] = [
    Format(
        "istio-text-1.1",
        "Istio 1.1, default text: Mixer status, no route name",
        f'[2019-05-25T08:06:11.468Z] "GET /a HTTP/1.1" 200 - "-" 0 60 177 176 {_HEADERS} '
        f'"10.4.1.9:8080" {_TAIL} -',
    ),
    Format(
        "istio-text-1.2",
        "Istio 1.2, default text: Mixer status and transport failure reason, no route name",
        f'[2019-07-25T08:06:11.468Z] "GET /a HTTP/1.1" 503 UF "-" '
        f'"TLS error: Secret is not supplied by SDS" 0 159 3 - {_HEADERS} '
        f'"10.4.1.9:8080" {_TAIL} -',
    ),
    Format(
        "istio-text-1.3",
        "Istio 1.3 to 1.7, default text: Mixer status, transport failure reason, route name",
        f'[2020-11-23T10:00:00.310Z] "GET /a HTTP/1.1" 503 UF,URX "-" "-" 0 91 62 - {_HEADERS} '
        f'"10.4.1.9:8080" {_TAIL} - default',
    ),
    Format(
        "istio-text-1.8",
        "Istio 1.8, default text: transport failure reason, route name",
        f'[2021-02-01T10:00:00.310Z] "GET /a HTTP/1.1" 200 - "-" 0 12 3 2 {_HEADERS} '
        f'"10.4.1.9:8080" {_TAIL} - default',
    ),
    Format(
        "istio-text-1.9",
        "Istio 1.9 and later, default text: response code and connection termination details",
        f'[2022-02-01T10:00:00.310Z] "GET /a HTTP/1.1" 503 UC '
        "upstream_reset_before_response_started{connection_termination} - "
        f'"-" 0 95 4 - {_HEADERS} "10.4.1.9:8080" {_TAIL} - default',
    ),
    Format(
        "envoy-text",
        "Envoy's own default text, and Istio's before 1.1",
        f'[2018-07-06T06:11:12.983Z] "POST /a HTTP/1.1" 503 UC 16687 57 0 - {_HEADERS} '
        '"10.4.1.9:8080"',
    ),
    Format(
        "istio-json",
        "Istio's default JSON, old (all strings) and new (typed)",
        '{"start_time":"2022-02-01T10:00:00.310Z","method":"GET","path":"/a",'
        '"protocol":"HTTP/1.1","response_code":503,"response_flags":"NC",'
        '"response_code_details":"cluster_not_found","connection_termination_details":null,'
        '"upstream_transport_failure_reason":null,"bytes_received":0,"bytes_sent":0,"duration":0,'
        '"upstream_service_time":null,"x_forwarded_for":null,"user_agent":"curl/7","request_id":'
        '"0f0e9a3e-6b1c-9d2b-8a52-7d1f8f0c5a11","authority":"orders","upstream_host":null,'
        '"upstream_cluster":null,"upstream_local_address":null,"downstream_local_address":'
        '"10.0.9.3:80","downstream_remote_address":"10.4.2.7:41514",'
        '"requested_server_name":null,"route_name":"default"}',
    ),
    Format(
        "custom-text",
        "Any text accessLogFormat by its format string, and default layouts with fields added",
        f'[2022-02-01T10:00:00.310Z] "GET /a HTTP/1.1" 404 NR route_not_found - "-" 0 0 1 - '
        f'{_HEADERS} "-" - - 10.0.9.3:80 10.4.2.7:41514 - - "4bf92f3577b34da6a3ce929d0e0e4736"',
    ),
    Format(
        "custom-json",
        "Any JSON accessLogFormat by its format string, and common keys without",
        '{"@timestamp":"2024-10-07T16:06:54.717Z","req_method":"POST","http":{"status":503},'
        '"upstream_response_flags":"UH","upstreamCluster":"orders_80","duration_ms":2}',
    ),
    Format(
        "istiod-text",
        "istiod's log, text",
        "2026-10-09T22:17:41.418293Z\tinfo\tdelta\tADS: new delta connection for node:"
        "orders-v1-54dd46d4b6-flm8c.shop-3",
    ),
    Format(
        "istiod-json",
        "istiod's log, JSON",
        '{"level":"info","time":"2021-04-06T10:04:24.047569Z","scope":"ads",'
        '"msg":"ADS: new connection for node:orders-v1-54dd46d4b6-flm8c.shop-4"}',
    ),
    Format(
        "agent-text",
        "pilot-agent's log, text",
        "2022-07-15T23:16:16.718426Z\tinfo\txdsproxy\tconnected to upstream XDS server: "
        "istiod.istio-system.svc:15012",
    ),
    Format(
        "envoy-log-text",
        "Envoy's application log, text",
        "2021-04-06T10:49:31.709949Z\twarning\tenvoy config\tStreamAggregatedResources gRPC "
        "config stream closed: 13, ",
    ),
    Format(
        "event",
        "A control-plane event as NDJSON",
        '{"time":"2026-10-09T22:17:41Z","kind":"push","proxy":null,"version":"1.26.0",'
        '"revision":"default","type":null,"full":true}',
    ),
]
