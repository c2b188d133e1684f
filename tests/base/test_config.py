"""Settings: what wins, where it came from, and what is refused."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

import pytest

from pagefault.base.config import SETTINGS, Resolved, Setting, Settings, resolve
from pagefault.base.errors import InvalidArgument


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    file = tmp_path / "pagefault.toml"
    file.write_text('budget_tokens = 3000\nmode = "strict"\ntools = ["session"]\n')
    return file


def refused(flags: dict[str, str | None], environ: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(InvalidArgument) as caught:
        resolve(flags, environ, file)
    return caught.value.message


# --- what wins ---------------------------------------------------------------------------------


def test_without_a_word_every_setting_has_its_default() -> None:
    resolved = resolve({}, {}, None)
    assert resolved.settings == Settings()
    assert set(resolved.origins.values()) == {"default"}
    assert resolved.notes == ()


def test_a_flag_wins_over_the_environment_and_that_over_the_file(toml: Path) -> None:
    flags, environ = {"budget_tokens": "1000"}, {"PAGEFAULT_BUDGET_TOKENS": "2000"}
    assert resolve(flags, environ, toml).settings.budget_tokens == 1000
    assert resolve({}, environ, toml).settings.budget_tokens == 2000
    assert resolve({}, {}, toml).settings.budget_tokens == 3000
    assert resolve({}, {}, None).settings.budget_tokens == 32_000


def test_the_origin_of_every_value_is_told(toml: Path) -> None:
    origins = resolve({"faults_per_turn": "5"}, {"PAGEFAULT_POLICY": "lru"}, toml).origins
    assert origins["faults_per_turn"] == "--faults-per-turn"
    assert origins["policy"] == "PAGEFAULT_POLICY"
    assert origins["mode"] == str(toml)
    assert origins["durability"] == "default"
    assert set(origins) == {setting.name for setting in SETTINGS}


def test_a_flag_that_was_not_given_and_an_empty_variable_say_nothing() -> None:
    flags: dict[str, str | None] = {"mode": None}
    assert resolve(flags, {"PAGEFAULT_MODE": ""}, None).origins["mode"] == "default"


def test_a_file_that_does_not_exist_says_nothing(tmp_path: Path) -> None:
    assert resolve({}, {}, tmp_path / "none.toml").settings == Settings()


def test_a_list_in_the_file_is_a_list(toml: Path) -> None:
    assert resolve({}, {}, toml).settings.tools == ("session",)


def alias(name: str, value: str) -> Resolved:
    return resolve({}, {name: value}, None)


def test_an_old_name_is_read_and_noted() -> None:
    resolved = alias("SESSION_PROVIDER", "memory")
    assert resolved.settings.store == "sqlite://:memory:"
    assert resolved.origins["store"] == "SESSION_PROVIDER"
    assert resolved.notes == ("SESSION_PROVIDER is an old name: use PAGEFAULT_STORE",)


def test_the_old_name_of_a_redis_url_is_read_and_noted() -> None:
    resolved = alias("SESSION_REDIS_URL", "redis://cache:6379/0")
    assert resolved.settings.store == "redis://cache:6379/0"
    assert resolved.notes == ("SESSION_REDIS_URL is an old name: use PAGEFAULT_STORE",)


def test_the_new_name_wins_over_the_old_one_without_a_note() -> None:
    environ = {"PAGEFAULT_STORE": "here.db", "SESSION_PROVIDER": "memory"}
    resolved = resolve({}, environ, None)
    assert (resolved.settings.store, resolved.notes) == ("here.db", ())


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["many", "", "-5", "1.5", "1,000", "99", "10000001", "0x10"])
def test_a_number_out_of_its_range_is_refused_with_value_origin_and_rule(text: str) -> None:
    message = refused({"budget_tokens": text}, {})
    assert message == (
        f"budget_tokens is {text!r} (from --budget-tokens): "
        "give a whole number from 100 to 10,000,000"
    )


@pytest.mark.parametrize(("text", "number"), [("100", 100), ("10_000_000", 10_000_000)])
def test_the_ends_of_a_range_belong_to_it(text: str, number: int) -> None:
    assert resolve({"budget_tokens": text}, {}, None).settings.budget_tokens == number


def test_a_name_that_is_none_of_the_allowed_is_refused_with_those_that_are() -> None:
    message = refused({}, {"PAGEFAULT_MODE": "loose"})
    assert message == (
        "mode is 'loose' (from PAGEFAULT_MODE): give one of strict, relaxed, passive"
    )


@pytest.mark.parametrize("text", ["", " , ", "paging,teams"])
def test_groups_of_tools_that_do_not_exist_are_refused_with_those_that_do(text: str) -> None:
    message = refused({"tools": text}, {})
    assert message.startswith(f"tools is {text!r} (from --tools): give some of paging, session")


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("all", ("paging", "session", "calls", "procedures")),
        ("session", ("session",)),
        ("session, paging", ("paging", "session")),
    ],
)
def test_groups_of_tools_are_named_in_any_order(text: str, groups: tuple[str, ...]) -> None:
    assert resolve({"tools": text}, {}, None).settings.tools == groups


def test_a_bad_value_of_the_file_is_refused_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("budget_tokens = true")
    assert f"budget_tokens is 'True' (from {file}): give a whole" in refused({}, {}, file)


def test_a_file_with_a_setting_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("budget = 5")
    message = refused({}, {}, file)
    assert f"{file} names 'budget', which is no setting" in message
    assert "budget_tokens" in message


@pytest.mark.parametrize("content", [b"budget_tokens = ", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    assert f"{file} is not TOML" in refused({}, {}, file)


# --- the table ---------------------------------------------------------------------------------


def test_the_table_has_one_row_for_each_field_of_the_settings() -> None:
    assert [setting.name for setting in SETTINGS] == [field.name for field in fields(Settings)]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_default_is_a_value_that_the_setting_takes(setting: Setting) -> None:
    default = asdict(Settings())[setting.name]
    text = ",".join(default) if isinstance(default, tuple) else str(default)
    assert setting.read(text) == default


def test_flags_and_variables_are_made_of_the_name() -> None:
    names = {setting.name: (setting.flag, setting.variable) for setting in SETTINGS}
    assert names["fault_tokens_per_turn"] == (
        "--fault-tokens-per-turn",
        "PAGEFAULT_FAULT_TOKENS_PER_TURN",
    )
