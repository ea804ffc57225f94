from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.attribution import explain
from detector.types import Attribution, Series
from tests.detector.attribution_scenes import Scene, after, anonymous

PODS = [f"web-v1-7d9f8b6c5d-{name}" for name in ("aaaaa", "bbbbb", "ccccc", "ddddd", "eeeee")]
RESETS = {f"{pod}.shop": 20.0 * number for number, pod in enumerate(PODS)}
REFUSED = "upstream_reset_before_response_started,remote_connection_failure,Connection_refused"


def transient() -> Scene:
    """Each proxy gets NC for four seconds after its own reconnect."""
    scene = Scene()
    scene.window("upgrade", RESETS)
    for pod, start in zip(PODS, RESETS.values(), strict=True):
        for at in np.linspace(0.2, 4.0, 15):
            scene.error(start + float(at), pod=pod, details="cluster_not_found")
    return scene


def crash(start: float = 30.0, end: float = 50.0) -> Scene:
    """All callers are refused by one destination at the same time."""
    scene = Scene()
    for at in np.linspace(start, end, 40):
        for pod in PODS:
            scene.error(float(at), pod=pod, signal="UF", details=REFUSED, server="10.0.0.9")
    return scene


def text(found: Attribution) -> str:
    return " | ".join([*found.evidence, *found.against])


def test_errors_after_each_proxys_own_reconnect_are_the_control_planes() -> None:
    found = explain(transient().case())
    assert (found.cause, found.confidence) == ("control-plane", 0.99)
    assert found.window is not None
    assert found.window.kind == "upgrade"
    assert found.evidence[0] == (
        "100 % of 75 errors came within 5 s after that proxy's own reconnect; "
        "1 % expected by chance"
    )


def test_a_pod_is_found_in_the_window_with_or_without_its_namespace() -> None:
    bare = transient().case()
    full = replace(bare, moments=bare.moments.with_columns(pl.col("source_pod") + ".shop"))
    assert explain(full) == explain(bare)


def test_pods_of_one_name_in_two_namespaces_are_told_apart() -> None:
    scene = Scene()
    scene.window(
        "upgrade",
        {f"web-{n}.{space}": 20.0 * n + (300.0 if space == "blog" else 0.0)
         for n in range(5) for space in ("shop", "blog")},
    )  # fmt: skip
    for n in range(5):
        for at in np.linspace(0.2, 4.0, 15):
            scene.error(20.0 * n + float(at), pod=f"web-{n}", source="web.shop")
    assert explain(scene.case()).evidence[0].startswith("100 % of 75 errors came within 5 s after")


def test_errors_seen_by_the_destination_align_with_the_destinations_reconnect() -> None:
    scene = Scene()
    scene.window("upgrade", RESETS)
    for pod, start in zip(PODS, RESETS.values(), strict=True):
        for at in np.linspace(0.3, 120.0 - start, 60):
            scene.error(
                start + float(at), server=pod, inbound=True, signal="UPE", destination="web"
            )
    found = explain(scene.case())
    assert found.cause == "control-plane"
    assert "came from proxies that had already changed" in text(found)


def test_a_fault_between_old_clients_and_new_servers_is_named_so() -> None:
    scene = Scene()
    servers = {
        f"cart-v1-6c5d7d9f8b-{name}.shop": float(n) for n, name in enumerate(("aaaaa", "bbbbb"))
    }
    clients = {proxy: 30.0 + at for proxy, at in RESETS.items()}
    scene.window("upgrade", {**servers, **clients})
    for pod, end in zip(PODS, clients.values(), strict=True):
        for at in np.linspace(1.5, end, 60):
            scene.error(float(at), pod=pod, signal="UF", details="TLSV1_ALERT_PROTOCOL_VERSION")
    found = explain(scene.case())
    assert found.cause == "control-plane"
    assert "between a proxy that had changed and one that had not" in text(found)


def test_errors_that_began_before_the_window_are_not_its_doing() -> None:
    scene = transient()
    for at in np.linspace(-60.0, 0.0, 60):
        scene.error(float(at), pod=PODS[0])
    found = explain(scene.case())
    assert (found.cause, found.window) == ("unknown", None)
    assert any("had errors" in one and "before the control-plane upgrade" in one
               for one in found.evidence)  # fmt: skip


def test_a_change_long_over_is_not_the_cause() -> None:
    scene = crash(start=400.0, end=420.0)
    scene.window("upgrade", RESETS)
    found = explain(scene.case())
    assert (found.cause, found.window) == ("workload", None)
    assert "was over 5 min before the onset" in text(found)


def test_a_crash_in_the_middle_of_a_harmless_upgrade_is_called_workload() -> None:
    scene = crash(start=30.0, end=50.0)
    scene.window("upgrade", RESETS)
    found = explain(scene.case())
    assert found.cause == "workload"
    assert "Changed and unchanged proxies failed alike" in text(found)
    assert "control-plane upgrade began" in found.against[0]


def test_an_application_that_refuses_its_own_proxy_is_called_workload() -> None:
    scene = Scene()
    scene.window("upgrade", RESETS)
    for at in np.linspace(30.0, 60.0, 50):
        scene.error(
            float(at), server=PODS[2], inbound=True, signal="UF", details=REFUSED, destination="web"
        )
    found = explain(scene.case())
    assert found.cause == "workload"
    assert "the application refuses connections from its own proxy" in text(found)
    assert f"those of one pod, {PODS[2]}" not in text(found)  # one reporter is no vote


def test_one_failing_pod_among_many_callers_is_told() -> None:
    found = explain(crash().case())
    assert "100 % of the errors are those of one pod, 10.0.0.9" in found.evidence


def test_configuration_errors_without_any_change_are_explained_by_nothing() -> None:
    scene = transient()
    scene.windows.clear()
    found = explain(scene.case())
    assert (found.cause, found.window) == ("unknown", None)
    assert "No change explains this" in found.evidence
    assert found.against


def test_client_errors_are_the_clients() -> None:
    scene = Scene()
    for at in np.linspace(0.0, 60.0, 80):
        scene.error(float(at), signal="401", details="via_upstream")
    assert explain(scene.case()).cause == "client"


def test_unknown_routes_at_a_gateway_are_the_clients() -> None:
    scene = Scene()
    for at in np.linspace(0.0, 60.0, 80):
        scene.error(float(at), signal="NR", code=404, source="istio-ingressgateway.istio-system")
    assert explain(scene.case()).cause == "client"


def test_pushes_every_few_seconds_explain_nothing() -> None:
    rare, often = crash(start=0.5, end=20.0), crash(start=0.5, end=20.0)
    for scene in (rare, often):
        scene.window("push", dict.fromkeys(RESETS, 0.0))
    seldom = explain(rare.case(coverage={"push": 0.03}))
    always = explain(often.case(coverage={"push": 0.97}))
    assert seldom.cause == "control-plane"
    assert always.cause == "workload"


def test_many_pushes_in_a_short_observation_weaken_the_coincidence_too() -> None:
    scene = crash(start=0.5, end=20.0)
    scene.window("push", dict.fromkeys(RESETS, 0.0))

    def sure(coverage: float) -> float:
        case = replace(scene.case(coverage={"push": coverage}), first_seen=after(-240.0))
        return explain(case).confidence

    assert sure(0.05) > sure(0.9) + 0.05


def test_an_end_at_another_push_speaks_for_the_first_one() -> None:
    scene = Scene()
    for start in (0.0, 120.0):
        scene.window("push", dict.fromkeys(RESETS, start))
    for at in np.linspace(0.1, 120.2, 200):
        scene.error(float(at), pod=PODS[int(at) % 5], signal="UH")
    found = explain(scene.case())
    assert (found.cause, found.window) == ("control-plane", scene.windows[0])
    assert any(
        one.startswith("The errors ended at another push, 12:02:00 UTC") for one in found.evidence
    )


def test_a_fault_that_comes_without_changes_too_is_a_habit() -> None:
    def found(bursts: int) -> Attribution:
        scene = transient()
        for burst in range(bursts):
            for at in range(12):
                scene.error(-600.0 * (burst + 1) + at, pod=PODS[0])
        return explain(scene.case(onset=0.0))

    assert "The same errors came in 4 earlier bursts outside any window" in found(4).against
    assert "earlier bursts" not in text(found(0))


def test_unflagged_errors_up_the_call_chain_do_not_hide_the_root() -> None:
    scene = transient()
    plain = explain(scene.case())
    for at in np.linspace(0.0, 90.0, 150):
        scene.error(float(at), source="gateway.edge", destination="web", signal="503")
    assert explain(scene.case()) == plain


def test_without_proxies_the_cause_is_less_sure_and_says_why() -> None:
    case = transient().case()
    blind = explain(anonymous(case))
    assert blind.cause == "control-plane"
    assert blind.confidence <= explain(case).confidence
    assert "The input names no proxies, so only the timing could be compared" in blind.against


def test_counts_alone_serve_when_no_single_errors_are_kept() -> None:
    case = transient().case()
    blind = explain(replace(case, moments=case.moments.clear()))
    assert blind.cause == "control-plane"
    assert blind.window == case.windows[0]


def test_ten_second_counts_keep_the_cause() -> None:
    case = transient().case(resolution_s=10.0)
    found = explain(case)
    assert (found.cause, found.window) == ("control-plane", case.windows[0])
    assert "9 s before to 14 s after that proxy's own reconnect" in text(found)


def test_aggregates_stand_for_all_their_members() -> None:
    case = transient().case()
    series = [Series("source", "*", "cart.shop.svc.cluster.local", "NC")]
    summed = replace(case, incident=replace(case.incident, series=series))
    assert explain(summed) == explain(case)


def test_a_case_without_errors_is_explained_by_nothing() -> None:
    case = transient().case()
    bare = replace(case, moments=case.moments.clear(), history=case.history.clear())
    found = explain(bare)
    assert (found.cause, found.window, found.confidence) == ("unknown", None, 0.5)
    assert len(found.against) == 1


def test_without_control_plane_input_that_is_the_first_doubt() -> None:
    found = explain(crash().case(coverage={}))
    assert found.cause == "workload"
    assert "No control-plane input was heard" in found.against[0]


def test_the_cause_is_right_at_detection_and_stays_so() -> None:
    scene = transient()
    found = [explain(scene.case(now=now)) for now in (10.0, 30.0, 60.0, 90.0, 200.0)]
    assert {one.cause for one in found} == {"control-plane"}
    ends = [one.window.ended_at for one in found if one.window is not None]
    assert ends == [None, None, None, after(80.0), after(80.0)]


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.floats(-200.0, 200.0), min_size=1, max_size=40),
    pods=st.lists(st.sampled_from([*PODS, None]), min_size=1, max_size=5),
    signals=st.lists(
        st.sampled_from(["NR", "UF", "UC", "401", "503", "XYZ"]), min_size=1, max_size=3
    ),
    resets=st.dictionaries(st.sampled_from(sorted(RESETS)), st.floats(-200.0, 200.0), max_size=5),
    inbound=st.booleans(),
)
def test_whatever_happened_the_answer_is_sound(
    times: list[float],
    pods: list[str | None],
    signals: list[str],
    resets: dict[str, float],
    inbound: bool,
) -> None:
    scene = Scene()
    for number, at in enumerate(times):
        pod = pods[number % len(pods)]
        signal = signals[number % len(signals)]
        scene.error(at, pod=pod, server=pod, signal=signal, inbound=inbound)
    if resets:
        scene.window("upgrade", resets, expected=5)
        scene.window("push", resets)
    found = explain(scene.case(now=300.0))
    assert 0.5 <= found.confidence <= 0.99
    assert found.against
    assert (found.window is not None) == (found.cause == "control-plane")
