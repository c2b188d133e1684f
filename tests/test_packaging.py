"""What is installed, and what the files around the package say about it."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from packaging.requirements import Requirement

import pagefault
from pagefault.base import assets
from pagefault.base.config import SETTINGS, Settings, resolve

ROOT = Path(__file__).parents[1]
BASE = {"anyio", "apsw", "mcp", "platformdirs", "pydantic", "redis", "tiktoken"}
EXTRAS = {"redis", "tiktoken", "image", "semantic", "teams", "test", "dev", "all"}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def smithery() -> dict:
    return yaml.safe_load((ROOT / "smithery.yaml").read_text(encoding="utf-8"))


def test_the_base_install_needs_what_it_says_and_nothing_else():
    assert {Requirement(line).name for line in project()["dependencies"]} == BASE


def test_the_extras_are_those_of_the_installation_matrix():
    extras = project()["optional-dependencies"]
    assert set(extras) == EXTRAS
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for extra in EXTRAS:
        assert f"`{extra}`" in readme


def test_mcp_is_pinned_to_the_minor_whose_private_names_are_used():
    (mcp,) = [line for line in project()["dependencies"] if line.startswith("mcp")]
    assert Requirement(mcp).specifier == Requirement("mcp>=2.3,<2.4").specifier


def test_the_version_is_stated_once():
    assert pagefault.__version__ == project()["version"]
    try:
        installed = metadata.version("pagefault")
    except metadata.PackageNotFoundError:
        pytest.skip("pagefault runs from a checkout that is not installed")
    assert installed == pagefault.__version__


@pytest.mark.parametrize(
    "name",
    [
        "instructions.md",
        "guide.md",
        "rules/strict.md",
        "rules/relaxed.md",
        "rules/passive.md",
        "prompts/recall.md",
        "sqlite/0001.sql",
        "demo.jsonl",
        "demo_questions.json",
    ],
)
def test_a_resource_is_found_wherever_the_package_runs_from(name):
    assert assets.path(name).is_file()


def test_smithery_names_a_dockerfile_that_exists_and_honours_the_port():
    build = smithery()["build"]
    dockerfile = (ROOT / build["dockerfile"]).read_text(encoding="utf-8")
    assert "$PORT" in dockerfile
    assert "USER pagefault" in dockerfile
    assert smithery()["runtime"] == "container"
    assert smithery()["startCommand"]["type"] == "http"


def test_smitherys_schema_is_the_settings_table():
    schema = smithery()["startCommand"]["configSchema"]
    Draft202012Validator.check_schema(schema)
    assert list(schema["properties"]) == [setting.name for setting in SETTINGS]
    for setting in SETTINGS:
        assert schema["properties"][setting.name]["description"] == setting.meaning
        default = schema["properties"][setting.name].get("default")
        known = getattr(Settings(), setting.name)
        if setting.name != "store":
            assert default in (None, known, ",".join(known) if isinstance(known, tuple) else known)


def test_smitherys_example_is_valid_and_is_read_by_the_settings():
    start = smithery()["startCommand"]
    Draft202012Validator(start["configSchema"]).validate(start["exampleConfig"])
    flags = {name: str(value) for name, value in start["exampleConfig"].items()}
    assert resolve(flags, {}, None).settings.budget_tokens == 32_000


def test_the_readme_names_every_setting_with_its_variable_and_default():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for setting in SETTINGS:
        assert f"`{setting.flag}`" in readme, setting.flag
        assert f"`{setting.variable}`" in readme, setting.variable


def test_the_readmes_tool_table_is_the_code():
    from pagefault.surface.tools import GROUPS

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z_]+)\(", readme, re.MULTILINE))
    assert named == {spec.body.__name__ for group in GROUPS.values() for spec in group}
