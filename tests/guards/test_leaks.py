import json

import pytest

from pagefault.guards import leaks

from .asking import alone, ask

# Put together here, so that no scanner takes this file for a leak.
SECRETS = [
    "AKIA" + "Q3EGYVZL4TRN7WXM",
    "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "xoxb-" + "123456789012-abcdefGHIJ",
    "sk-ant-" + "api03-Zx8yW7vU6tS5rQ4pO3nM",
    "sk_live_" + "51Hx8yW7vU6tS5rQ4pO3nM",
    "eyJhbGciOiJI." + "eyJzdWIiOiIx.SflKxwRJSMeK",
    "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEow",
    "postgres://app:" + "hunter2pass@db/x",
    "Authorization: Bearer " + "q8Zx7yW6vU5tS4rQ3pO2nM1k",
    "api_key=" + "9f8e7d6c5b4a3Z2Y1X",
]
HARMLESS = [
    "the password: correct horse battery",
    "token = yourtokenhere",
    "api_key=<YOUR_API_KEY>",
    "set PASSWORD=${DB_PASSWORD} first",
    "password=changeme12345",
    "secret: placeholder-1234567",
    "the tokens: 123456789012345",
    "AKIAIOSFODNN7EXAMPLE",
    "postgres://app:${PASS}@db/x",
    "http://localhost:8080/a@b",
    "commit 9f8e7d6c5b4a39281706f5e4d3c2b1a098765432",
    "sk-learn-pipeline-with-long-name",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_named_by_kind_and_never_quoted(secret):
    judgement = ask("send", {"body": f"here: {secret} ."}, alone("secrets"))
    assert judgement.verdict == "block"
    assert "body holds a" in judgement.reason
    assert secret[-8:] not in judgement.reason + judgement.instead


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_is_left_alone(text):
    assert ask("send", {"body": text}, alone("secrets")).verdict == "allow"
    assert leaks.mask(text) == text


@pytest.mark.parametrize("secret", SECRETS)
def test_when_masking_is_set_the_rest_of_the_arguments_is_kept(secret):
    rules = alone("secrets", mask_secrets=True)
    given = {"list": [{"body": f"before {secret} after"}], "n": 1}
    judgement = ask("send", given, rules)
    text = json.dumps(judgement.arguments)
    assert judgement.verdict == "repair"
    assert "masked]" in text
    assert secret[-8:] not in text
    assert judgement.arguments["n"] == 1
    assert "before " in text


def test_an_argument_that_is_named_a_secret_is_one_where_it_looks_like_one():
    rules = alone("secrets", "warn")
    assert ask("login", {"password": "9f8e7d6c5b4a3Z2Y1X"}, rules).verdict == "warn"
    assert ask("login", {"password": "summer"}, rules).verdict == "allow"
    assert ask("count", {"max_tokens": "9f8e7d6c5b4a3Z2Y1X"}, rules).verdict == "allow"
    masked = leaks.mask_values({"password": "9f8e7d6c5b4a3Z2Y1X"})
    assert masked == {"password": "[secret masked]"}
