"""Settings: one table, three sources, no silent surprises."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.configure import load
from detector.errors import SettingsError
from detector.settings import Settings, describe


def test_without_any_source_the_defaults_hold() -> None:
    assert load() == Settings()


def test_environment_beats_file_and_set_beats_environment(tmp_path: Path) -> None:
    file = tmp_path / "pushwake.toml"
    file.write_text("[detection]\nbucket_s = 5\nlateness_s = 6\nmin_excess = 7\n")
    environment = {"PUSHWAKE_DETECTION__LATENESS_S": "60", "PUSHWAKE_DETECTION__MIN_EXCESS": "70"}

    detection = load(file, environment, ["detection.min_excess=700"]).detection

    assert (detection.bucket_s, detection.lateness_s, detection.min_excess) == (5, 60, 700)


def test_texts_from_outside_take_the_type_of_their_setting() -> None:
    settings = load(
        environment={"PUSHWAKE_DETECTION__CLIENT_INCIDENTS": "true"},
        overrides=[
            "detection.false_incidents_per_week=0.25",
            "redaction.patterns=token,key",
            "store.url=sqlite:///a=b.db",
        ],
    )

    assert settings.detection.client_incidents is True
    assert settings.detection.false_incidents_per_week == 0.25
    assert settings.redaction.patterns == ("token", "key")
    assert settings.store.url == "sqlite:///a=b.db"


def test_a_list_may_also_be_spelled_as_toml() -> None:
    assert load(overrides=['redaction.patterns=["a,b"]']).redaction.patterns == ("a,b",)


def test_formats_have_free_names_and_keep_their_text(tmp_path: Path) -> None:
    file = tmp_path / "pushwake.toml"
    file.write_text("[formats]\n\"my.mesh\" = '[%START_TIME%] %RESPONSE_CODE%'\n")

    formats = load(file, overrides=['formats.other={"code":"%RESPONSE_CODE%"}']).formats

    assert formats == {
        "my.mesh": "[%START_TIME%] %RESPONSE_CODE%",
        "other": '{"code":"%RESPONSE_CODE%"}',
    }


def test_other_environment_variables_are_nobodys_business() -> None:
    assert load(environment={"PATH": "x", "PUSHWAKE_HOME": "x"}) == Settings()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("detection.buckt_s=3", "Did you mean detection.bucket_s?"),
        ("detectio.bucket_s=3", "Did you mean detection.bucket_s?"),
        ("xyzzy.like_it=3", "`pushwake settings` lists"),
        ("detection=3", "detection is a section"),
        ("formats=x", "formats is a section"),
        ("detection.bucket_s", "has no '='"),
        ("detection.bucket_s=ten", "expected int, got str; the default is 10"),
        ("detection.bucket_s=1.5", "expected int, got float"),
        ("detection.bucket_s=0", "expected int >= 1"),
        ("detection.bucket_s=1\nx=2", "expected int, got str"),
        ("detection.client_incidents=yes", "expected bool, got str"),
        ("detection.false_incidents_per_week=inf", "must be finite"),
        ("redaction.patterns=[1]", "expected str, got int"),
        ("store.url=", "length >= 1"),
    ],
)
def test_a_wrong_override_says_what_where_and_what_to_do(override: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(overrides=[override])

    assert words in str(caught.value)
    assert override in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bucket_s = 3", "unknown setting bucket_s"),
        ("detection = 3", "detection is a section"),
        ("[detection]\nfoo = 1", "detection.foo: unknown setting detection.foo"),
        ("[formats]\na = 1", "expected str, got int"),
        ("[detection]\nmin_excess = nan", "must be finite"),
        ("[detection", "is no valid TOML"),
        ("[[detection]]\na = 1", "detection is a section"),
        ("a = " + "[" * 100_000, "is no valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_its_fault(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "pushwake.toml"
    file.write_text(text)

    with pytest.raises(SettingsError) as caught:
        load(file)

    assert words in str(caught.value)


def test_a_file_that_was_named_must_be_readable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml: cannot be read"):
        load(tmp_path / "absent.toml")


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "pushwake.toml"
    file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SettingsError, match="is no valid TOML"):
        load(file)


def test_every_setting_is_described_and_its_default_can_be_set() -> None:
    rows = describe()

    assert len({row.key for row in rows}) == len(rows) > 20
    for row in rows:
        assert row.help.endswith(".")
        if row.type in {"int", "float", "bool", "str"}:
            assert load(overrides=[f"{row.key}={str(row.default).lower()}"]) is not None


def test_settings_cannot_be_changed_after_reading() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        setattr(load().detection, "bucket_s", 3)  # noqa: B010 - the type checker refuses the plain form


def test_the_default_tree_obeys_its_own_ranges() -> None:
    assert msgspec.convert(msgspec.to_builtins(Settings()), Settings) == Settings()


@given(st.text(), st.text())
def test_any_key_and_value_is_either_taken_or_refused_with_a_settings_error(
    key: str, value: str
) -> None:
    try:
        outcome: object = load(overrides=[f"{key}={value}"])
    except SettingsError as error:
        outcome = error

    assert isinstance(outcome, Settings | SettingsError)
