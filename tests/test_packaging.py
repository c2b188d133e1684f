"""What is installed, and what the files around the package say about it."""

from __future__ import annotations

import re
import shlex
import tomllib
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator
from packaging.requirements import Requirement

import pagefault
from pagefault.base import assets
from pagefault.base.config import SETTINGS, Settings, resolve
from pagefault.cli.arguments import parse
from pagefault.stores.opening import Options, opener

ROOT = Path(__file__).parents[1]
BASE = {"anyio", "apsw", "jsonschema", "mcp", "platformdirs", "pydantic", "redis", "tiktoken"}
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


def compose() -> dict:
    """The services of compose.yaml."""
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def test_compose_runs_two_servers_of_the_dockerfiles_image_that_keep_all_in_redis():
    served = compose()["services"]["pagefault"]
    assert served["build"] == "."
    assert served["deploy"]["replicas"] == 2
    assert "ports" not in served, "several would want the same port"
    assert "container_name" not in served
    store = served["environment"]["PAGEFAULT_STORE"]
    opener(store, Options())
    assert urlsplit(store).hostname in compose()["services"]
    known = {setting.variable for setting in SETTINGS}
    assert {name for name in served["environment"] if name.startswith("PAGEFAULT")} <= known


def test_compose_starts_the_server_as_the_dockerfile_does_but_for_its_public_name():
    *shell, command = compose()["services"]["pagefault"]["command"]
    assert shell == ["sh", "-c"]
    as_in_the_image, *more = command.replace("$$", "$").split(" --allowed-host ")
    assert more == ['"$PUBLIC_NAME"']
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert as_in_the_image in dockerfile.replace('\\"', '"')
    words = shlex.split(command.replace("$$PORT", "8081"))
    _, options = parse(words[words.index("pagefault") + 1 :])
    assert options.http
    (token_file,) = compose()["services"]["pagefault"]["secrets"]
    assert f"TOKEN_FILE={token_file['target']}" in dockerfile
    assert f"--uid {token_file['uid']} pagefault" in dockerfile


def test_every_service_of_compose_is_waited_for_until_it_is_healthy():
    services = compose()["services"]
    for name, service in services.items():
        assert service["healthcheck"], name
        assert service["restart"] == "unless-stopped"
    assert services["proxy"]["depends_on"] == {"pagefault": {"condition": "service_healthy"}}
    assert services["pagefault"]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_composes_redis_loses_nothing_and_throws_nothing_away():
    redis = compose()["services"]["redis"]
    words = shlex.split(redis["command"])
    said = dict(zip(words[1::2], words[2::2], strict=True))
    assert said["--appendonly"] == "yes"
    assert said["--appendfsync"] == "always"
    assert said["--maxmemory-policy"] == "noeviction"
    assert "--maxmemory" in said
    assert redis["volumes"] == ["redis:/data"]
    assert "redis" in compose()["volumes"]
    assert "ports" not in redis, "whoever reaches it reads everything"


def test_composes_proxy_looks_for_the_servers_where_they_are():
    proxy = compose()["services"]["proxy"]
    (config,) = proxy["configs"]
    text = compose()["configs"][config["source"]]["content"]
    assert re.search(r"server-template \S+ \d+ pagefault:8081 ", text)
    assert "PORT=8081" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "GET /health" in text
    assert "balance roundrobin" in text
    (port,) = proxy["ports"]
    assert re.search(r"bind :8321$", text, re.MULTILINE)
    assert port == "127.0.0.1:8321:8321", "tokens travel in the open"
    assert "$" not in text, "compose would fill it in"


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
