import time

import pytest

from .asking import alone, ask, declared

RULES = alone("schema")


def typed(**properties):
    return declared(properties=properties)


@pytest.mark.parametrize(
    ("schema", "given", "better"),
    [
        ({"type": "integer"}, "5", 5),
        ({"type": "number"}, "2.50", 2.5),
        ({"type": "number"}, "5", 5),
        ({"type": "boolean"}, "true", True),
        ({"type": "string"}, 5, "5"),
        ({"type": "string"}, 2.5, "2.5"),
        ({"type": "array", "items": {"type": "string"}}, "a", ["a"]),
        ({"type": "array", "items": {"type": "integer"}}, "7", [7]),
        ({"type": "array"}, "[1, 2]", [1, 2]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "5", 5),
        ({"type": ["integer", "null"]}, "5", 5),
    ],
)
def test_what_is_safe_to_repair_is_repaired(schema, given, better):
    judgement = ask("f", {"x": given}, RULES, tool=typed(x=schema))
    assert judgement.verdict == "repair"
    assert judgement.arguments == {"x": better}
    assert type(judgement.arguments["x"]) is type(better)


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        ({"type": "number"}, 1),
        ({"type": "integer"}, 5.0),
        ({"type": ["string", "null"]}, "a"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ({"enum": ["a", 1]}, 1),
        (True, {"any": "thing"}),
    ],
)
def test_what_fits_is_let_through(schema, given):
    assert ask("f", {"x": given}, RULES, tool=typed(x=schema)).verdict == "allow"


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        ({"type": "integer", "minimum": 1}, -5),
        ({"type": "integer"}, "five"),
        ({"type": "integer"}, True),
        ({"enum": ["a", "b"]}, "c"),
        ({"type": "string", "pattern": "^[a-z]+$"}, "A1"),
        ({"type": "object", "properties": {"y": {"type": "integer"}}}, {"y": "z"}),
        ({"type": "array", "maxItems": 1}, [1, 2]),
    ],
)
def test_what_cannot_fit_is_stopped_with_its_place(schema, given):
    judgement = ask("f", {"x": given}, RULES, tool=typed(x=schema))
    assert judgement.verdict == "block"
    assert judgement.reason.startswith("f: x")
    assert judgement.arguments == {"x": given}


def test_a_missing_argument_is_named():
    judgement = ask("f", {}, RULES, tool=declared(required=["city"]))
    assert judgement.verdict == "block"
    assert "'city'" in judgement.reason


def test_an_unknown_argument_only_warns():
    tool = declared(properties={"a": {}}, additionalProperties=False)
    judgement = ask("f", {"a": 1, "b": 2}, RULES, tool=tool)
    assert judgement.verdict == "warn"
    assert "'b'" in judgement.reason


def test_a_repair_deep_inside_keeps_the_rest_and_the_given_arguments():
    tool = typed(a={"type": "array", "items": {"properties": {"n": {"type": "integer"}}}})
    given = {"a": [{"n": "1", "m": "2"}, {"n": 3}]}
    judgement = ask("f", given, RULES, tool=tool)
    assert judgement.arguments == {"a": [{"n": 1, "m": "2"}, {"n": 3}]}
    assert given["a"][0] == {"n": "1", "m": "2"}


@pytest.mark.parametrize(
    "schema", [{"type": "nonsense"}, {"properties": 5}, {"type": "object", "required": "a"}]
)
def test_an_invalid_schema_is_told_of_and_not_used(schema):
    judgement = ask("f", {"a": 1}, RULES, tool=declared(**schema))
    assert judgement.verdict == "warn"


DOUBLING = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$defs": {**DOUBLING, "d40": {"type": "object"}}, "$ref": "#/$defs/d0"},
        {"properties": {"x": {"pattern": "^(a+)+$"}}},
        {"patternProperties": {"^(a|a)*$": {}}},
        {"$ref": "https://example.invalid/schema.json"},
    ],
    ids=["endless", "doubling", "pattern", "names", "elsewhere"],
)
def test_a_hostile_schema_takes_no_time_and_fetches_nothing(schema):
    began = time.process_time()
    judgement = ask("f", {"x": "a" * 60 + "!", "a" * 60 + "!": 1}, RULES, tool=declared(**schema))
    assert time.process_time() - began < 5
    assert judgement.verdict in ("allow", "warn")


def test_the_old_shape_of_a_schema_is_understood():
    tool = declared(
        **{
            "$schema": "http://json-schema.org/draft-07/schema#",
            "properties": {"n": {"type": "integer"}},
        }
    )
    assert ask("f", {"n": "5"}, RULES, tool=tool).arguments == {"n": 5}
