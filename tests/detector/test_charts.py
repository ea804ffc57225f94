"""The frames behind the charts, and the charts as specs and pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import altair as alt
import polars as pl
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from detector.report import chartdata, charts, theme
from detector.report.theme import Theme
from detector.types import Window
from pipelines import schema
from tests.detector import report_samples as samples

BUCKET_S = 10
PNG = b"\x89PNG\r\n\x1a\n"


def span() -> chartdata.Span:
    return chartdata.span_of(samples.incident(), samples.moments(), BUCKET_S)


def bins() -> pl.DataFrame:
    return chartdata.error_bins(samples.history(), samples.moments(), span())


def over_time(windows: list[Window]) -> charts.Drawing:
    expected = chartdata.expected_bins(samples.history(), span(), BUCKET_S)
    return charts.errors(bins(), expected, windows, samples.incident(), span())


def every_chart() -> list[charts.Drawing]:
    rows = chartdata.aligned(samples.moments(), samples.window())
    return [
        over_time([samples.window()]),
        charts.alignment(chartdata.offset_bins(rows)),
        charts.proxies(rows, samples.window(), [samples.window()], span()),
        charts.timeline([samples.incident()], [samples.window()], span()),
    ]


def values_in(document: dict[str, Any]) -> str:
    return json.dumps([document["layer"], document["datasets"]])


def test_a_short_incident_is_shown_second_by_second_with_room_on_both_sides() -> None:
    shown = span()

    assert shown.bin_s == 1
    assert shown.start <= samples.at(-15)
    assert shown.end >= samples.at(23 + 15)


def test_without_moments_no_bin_is_narrower_than_a_bucket() -> None:
    none = schema.empty(schema.MOMENTS)

    assert chartdata.span_of(samples.incident(), none, BUCKET_S).bin_s == BUCKET_S


@given(st.integers(1, 90 * 86_400))
def test_a_long_incident_never_makes_too_many_bins(seconds: int) -> None:
    incident = replace(samples.incident(), ended_at=samples.at(seconds))
    shown = chartdata.span_of(incident, samples.moments(), BUCKET_S)
    width = (shown.end - shown.start).total_seconds()

    assert width / shown.bin_s <= chartdata.MAX_BINS + 1
    assert shown.start <= incident.started_at <= samples.at(seconds) <= shown.end


def test_an_open_incident_is_shown_up_to_its_last_error() -> None:
    incident = replace(samples.incident(), ended_at=None, last_alarm_at=None)

    assert chartdata.span_of(incident, samples.moments(), BUCKET_S).end > samples.at(22.2)


def test_no_error_is_lost_in_the_bins() -> None:
    assert bins()["errors"].sum() == samples.moments()["count"].sum()


def test_buckets_stand_in_where_no_moments_were_kept() -> None:
    none = schema.empty(schema.MOMENTS)
    shown = chartdata.span_of(samples.incident(), none, BUCKET_S)
    from_history = chartdata.error_bins(samples.history(), none, shown)

    assert from_history["errors"].sum() == 30
    assert set(from_history["signal"]) == {"NC"}


def test_rare_signals_are_drawn_together() -> None:
    many = pl.concat(
        samples.moments().head(1).with_columns(signal=pl.lit(f"S{n}"), count=pl.lit(n + 1))
        for n in range(20)
    ).cast({"count": pl.Int64})
    shown = chartdata.error_bins(samples.history(), many, span())

    assert shown["signal"].n_unique() == chartdata.MAX_SIGNALS + 1
    assert chartdata.OTHER in shown["signal"]
    assert shown["errors"].sum() == sum(range(1, 21))


def test_series_without_errors_in_a_bucket_are_expected_at_their_median() -> None:
    """Two series at 0.2 a bucket: 0.04 a second, in every second alike."""
    expected = chartdata.expected_bins(samples.history(), span(), BUCKET_S)

    assert expected["expected"].to_list() == pytest.approx([0.04] * expected.height)
    assert set(expected["upper"]) == {float(poisson.ppf(0.999, 0.04))}


@pytest.mark.parametrize("bin_s", [1, 10, 60])
def test_the_expectation_over_a_stretch_does_not_depend_on_the_bins(bin_s: int) -> None:
    busier = samples.history().with_columns(expected=pl.Series([0.2, 0.4, 0.2, 0.2, 0.2, 0.2]))
    whole = chartdata.Span(samples.at(-47), samples.at(72), bin_s)
    expected = chartdata.expected_bins(busier, whole, BUCKET_S)

    assert expected["expected"].sum() == pytest.approx(12 * 0.4 + 0.2)


def test_nothing_is_expected_of_an_incident_without_history() -> None:
    expected = chartdata.expected_bins(samples.history().clear(), span(), BUCKET_S)

    assert set(expected["expected"]) == {0.0}
    assert set(expected["upper"]) == {0.0}


def test_errors_are_measured_from_their_own_proxys_reconnect() -> None:
    rows = chartdata.aligned(samples.moments(), samples.window())

    assert sorted(set(rows["offset_s"])) == pytest.approx([0.5, 2.2])
    assert chartdata.offset_bins(rows).rows() == [(0, "NC", 20), (2, "NC", 10)]


def test_the_side_that_reports_is_the_proxy_that_counts() -> None:
    inbound = samples.moments().with_columns(
        reporter=pl.lit("destination"),
        destination_pod=pl.lit("cart-1"),
        destination=pl.lit(samples.CART),
    )
    window = replace(samples.window(), reconciled={"cart-1.default": samples.START})
    rows = chartdata.aligned(inbound, window)

    assert set(rows["proxy"]) == {"cart-1.default"}
    assert rows["offset_s"].min() == pytest.approx(0.5)


def test_pods_of_one_name_in_two_namespaces_are_never_mixed_up() -> None:
    window = replace(
        samples.window(),
        reconciled={"web-0.a": samples.START, "web-0.b": samples.at(100), "db-0.a": samples.START},
    )
    one = samples.moments().head(1)
    sources = [("web-0", "web.a"), ("web-0", "web.b"), ("web-0", "unknown"), ("db-0", "unknown")]
    rows = pl.concat(
        chartdata.aligned(one.with_columns(source_pod=pl.lit(pod), source=pl.lit(source)), window)
        for pod, source in sources
    )

    assert rows["offset_s"].to_list() == [0.5, -99.5, None, 0.5]


def test_errors_of_proxies_without_a_reconnect_have_no_offset() -> None:
    rows = chartdata.aligned(samples.moments(), replace(samples.window(), reconciled={}))

    assert rows["offset_s"].null_count() == rows.height
    assert chartdata.offset_bins(rows).is_empty()


def test_the_attributed_window_is_preferred_to_a_fuller_one_nearby() -> None:
    fuller = replace(
        samples.window(), id="w2", reconciled={f"p{n}.a": samples.START for n in range(9)}
    )
    workload = samples.workload_incident()

    assert chartdata.window_of(samples.incident(), [fuller]) == samples.window()
    assert chartdata.window_of(workload, [samples.window(), fuller]) == fuller


def test_windows_far_from_the_incident_or_without_proxies_are_no_ground_to_align_on() -> None:
    later = replace(samples.window(), started_at=samples.at(900), ended_at=samples.at(960))
    bare = replace(samples.window(), reconciled={})

    assert chartdata.window_of(samples.workload_incident(), [later, bare]) is None


def test_callers_and_services_are_counted_largest_first() -> None:
    matrix = chartdata.affected(samples.history(), samples.moments(), (3, 1))

    assert matrix.columns == [samples.CART]
    assert matrix.rows == [(pod, [4]) for pod in samples.PODS[:3]]
    assert (matrix.more_rows, matrix.more_columns) == (2, 1)


def test_workloads_stand_in_for_pods_where_no_moments_were_kept() -> None:
    matrix = chartdata.affected(samples.history(), schema.empty(schema.MOMENTS), (9, 9))

    assert matrix.rows == [("frontend.default", [20, 10])]


def test_every_chart_compiles_and_draws_nothing_but_its_own_data() -> None:
    for drawing in every_chart():
        document = drawing.spec
        alt.TopLevelLayerSpec.from_dict(document)
        svg = vl_convert.vegalite_to_svg(
            {**document, "width": 600}, config=theme.config("light"), allowed_base_urls=[]
        )

        assert svg.startswith("<svg")
        assert '"url"' not in json.dumps(document)
        assert "title" not in document
        assert document["description"] == drawing.title != ""


def test_windows_are_shaded_named_and_cut_to_the_chart() -> None:
    early = replace(samples.window(), started_at=samples.at(-9_000))
    far = replace(samples.window(), started_at=samples.at(900), ended_at=samples.at(960))

    assert "istiod upgrade 1.26.4" in values_in(over_time([early]).spec)
    assert "istiod upgrade" not in values_in(over_time([far]).spec)
    assert str(round(samples.at(-9_000).timestamp() * 1000)) not in values_in(
        over_time([early]).spec
    )


def test_a_chart_of_one_signal_names_it_and_one_of_several_has_a_legend() -> None:
    two = bins().with_columns(signal=pl.Series(["UF", *["NC"] * (bins().height - 1)]))
    expected = chartdata.expected_bins(samples.history(), span(), BUCKET_S)
    mixed = charts.errors(two, expected, [], samples.incident(), span())

    assert over_time([]).title == "NC errors per 1 s"
    assert mixed.title == "Errors per 1 s"
    assert "click to single out" in values_in(mixed.spec)
    assert "click to single out" not in values_in(over_time([]).spec)


def test_thousands_of_proxies_make_a_chart_of_a_few_rows() -> None:
    many = {f"pod-{n}.default": samples.at(n / 100) for n in range(3_000)}
    window = replace(samples.window(), reconciled=many)
    rows = pl.DataFrame(
        {
            "time": [samples.at(n / 100) for n in range(3_000)],
            "signal": "NC",
            "proxy": list(many),
            "errors": [1] * 3_000,
            "offset_s": 0.0,
        },
        schema_overrides={"time": schema.TIME},
    )
    document = charts.proxies(rows, window, [], span()).spec

    assert len(json.dumps(document)) < 50_000


def test_proxies_whose_short_names_agree_keep_their_own_rows() -> None:
    names = [f"web-{'x' * n}-abcdef" for n in (30, 31)]
    window = replace(samples.window(), reconciled={f"{n}.a": samples.START for n in names})
    one = samples.moments().head(1).with_columns(source=pl.lit("web.a"))
    rows = pl.concat(
        chartdata.aligned(one.with_columns(source_pod=pl.lit(name)), window) for name in names
    )
    document = charts.proxies(rows, window, [], span()).spec
    drawn = {row["pod"] for rows in document["datasets"].values() for row in rows if "pod" in row}

    assert len(drawn) == 2


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_a_picture_is_a_png_of_the_asked_width(ground: Theme) -> None:
    picture = charts.png(over_time([samples.window()]), ground, scale=1)

    assert picture.startswith(PNG)
    assert charts.WIDTH <= int.from_bytes(picture[16:20]) <= charts.WIDTH + 200


def test_the_two_grounds_make_different_pictures() -> None:
    chart = over_time([])

    assert charts.png(chart, "light", 1) != charts.png(chart, "dark", 1)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio of two #rrggbb colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_text_and_bars_stand_out_from_the_ground(ground: Theme) -> None:
    """WCAG 2.2: 4.5 for text (1.4.3), 3 for shapes (1.4.11)."""
    config = theme.config(ground)
    below = theme.GROUND[ground]
    texts = [config["axis"]["labelColor"], config["legend"]["labelColor"], config["title"]["color"]]
    texts += [config["style"]["window-label"]["color"], config["style"]["detection-label"]["color"]]

    assert min(contrast(colour, below) for colour in texts) >= 4.5
    assert min(contrast(colour, below) for colour in config["range"]["category"]) >= 3


def test_an_incident_that_outlasts_every_bin_size_is_still_drawn() -> None:
    incident = replace(samples.incident(), ended_at=samples.START + timedelta(days=700))
    shown = chartdata.span_of(incident, samples.moments(), BUCKET_S)

    assert chartdata.error_bins(samples.history(), samples.moments(), shown)["errors"].sum() == 30
