"""What the protocol's conformance suite expects a server under test to offer.

The names, arguments and texts are those that the suite looks for (its scenario descriptions:
`@modelcontextprotocol/conformance`, `conformance list`). The scenarios are about the protocol
and not about memory, so these live in the tests and are added to the real server there.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Annotated, Any

import mcp.types as t
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from pydantic import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RED_PIXEL_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"
)
SILENCE_WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQIAAACAgA=="


def register(server: MCPServer) -> None:
    """Add every fixture to `server`; handlers that it already has are left as they are."""
    for name, tool in TOOLS.items():
        server.add_tool(tool, name=name, description=_description(tool), structured_output=False)
    _publish_schema(server, "json_schema_2020_12_tool", SCHEMA_2020_12)
    for name, prompt in PROMPTS.items():
        server.prompt(name=name, description=_description(prompt))(prompt)
    _add_resources(server)
    _add_missing_handlers(server)


def _description(fixture: Any) -> str:
    return str(fixture.__doc__)


# Content that a tool can answer with


def simple_text() -> str:
    """Answers with one text block."""
    return "This is a simple text response for testing."


def image_content() -> list[t.ContentBlock]:
    """Answers with one image block."""
    return [_image()]


def audio_content() -> list[t.ContentBlock]:
    """Answers with one audio block."""
    return [t.AudioContent(data=SILENCE_WAV, mime_type="audio/wav")]


def embedded_resource() -> list[t.ContentBlock]:
    """Answers with one embedded resource."""
    text = "This is an embedded resource content."
    return [_embedded("test://embedded-resource", "text/plain", text)]


def multiple_content_types() -> list[t.ContentBlock]:
    """Answers with text, an image and an embedded resource."""
    data = json.dumps({"test": "data", "value": 123}, separators=(",", ":"))
    return [
        t.TextContent(text="Multiple content types test:"),
        _image(),
        _embedded("test://mixed-content-resource", "application/json", data),
    ]


def error_handling() -> str:
    """Always fails."""
    raise ToolError("This tool intentionally returns an error for testing")


def _image() -> t.ImageContent:
    return t.ImageContent(data=RED_PIXEL_PNG, mime_type="image/png")


def _embedded(uri: str, mime_type: str, text: str) -> t.EmbeddedResource:
    contents = t.TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return t.EmbeddedResource(resource=contents)


# Notifications while a call runs


async def tool_with_logging(ctx: Context) -> str:
    """Sends three log messages at level info."""
    for line in ("started", "processing", "completed"):
        await ctx.info(f"Tool execution {line}")
    return "Logged three messages."


async def tool_with_progress(ctx: Context) -> str:
    """Reports progress 0, 50 and 100 of 100."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
    return "Reported progress three times."


async def trigger_tool_change(ctx: Context) -> str:
    """Tells subscribers that the tool list changed."""
    await ctx.notify_tools_changed()
    return "Announced a change of the tool list."


async def trigger_prompt_change(ctx: Context) -> str:
    """Tells subscribers that the prompt list changed."""
    await ctx.notify_prompts_changed()
    return "Announced a change of the prompt list."


async def reconnection(ctx: Context) -> str:
    """Closes the response stream half-way, so that the client has to poll for the answer."""
    await ctx.close_sse_stream()
    return "Answered after the stream was closed."


# Questions to the client, as requests of their own (protocol up to 2025-11-25)


async def sampling(prompt: str, ctx: Context) -> str:
    """Asks the client's model."""
    reply = await ctx.session.send_request(
        _sampling_request(prompt, 100),
        t.CreateMessageResult,
        metadata=ServerMessageMetadata(related_request_id=ctx.request_id),
    )
    return f"LLM response: {_text_of(reply)}"


async def elicitation(message: str, ctx: Context) -> str:
    """Asks the client's user for a name and an address."""
    fields = {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    }
    return f"User response: {await _elicit(ctx, message, fields)}"


async def elicitation_defaults(ctx: Context) -> str:
    """Asks with a default value for every primitive type (SEP-1034)."""
    fields = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    }
    return f"Elicitation completed: {await _elicit(ctx, 'Please check these values', fields)}"


async def elicitation_enums(ctx: Context) -> str:
    """Asks with each of the five shapes of an enumeration (SEP-1330)."""
    plain = ["option1", "option2", "option3"]
    fields = {
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": _titled("Option")},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": _titled("Choice")}},
    }
    return f"Elicitation completed: {await _elicit(ctx, 'Please choose', fields)}"


def _titled(noun: str) -> list[dict[str, str]]:
    ordinals = ("First", "Second", "Third")
    return [{"const": f"value{i}", "title": f"{o} {noun}"} for i, o in enumerate(ordinals, 1)]


async def _elicit(ctx: Context, message: str, fields: Mapping[str, Any]) -> str:
    reply = await ctx.session.elicit_form(message, _form(fields), ctx.request_id)
    return f"action={reply.action}, content={json.dumps(reply.content)}"


# Questions to the client, as an answer to be retried (protocol 2026-07-28, SEP-2322)


def needs_elicitation(ctx: Context) -> str | t.InputRequiredResult:
    """Asks for a name and greets it."""
    name = _filled_in(ctx, "user_name", "name")
    if name is None:
        return _ask({"user_name": _elicit_request("What is your name?", "name")})
    return f"Hello, {name}!"


def needs_sampling(ctx: Context) -> str | t.InputRequiredResult:
    """Asks the client's model for a capital."""
    reply = _response(ctx, "capital_question")
    if not isinstance(reply, t.CreateMessageResult):
        question = _sampling_request("What is the capital of France?", 100)
        return _ask({"capital_question": question})
    return _text_of(reply)


def needs_roots(ctx: Context) -> str | t.InputRequiredResult:
    """Asks for the client's roots."""
    reply = _response(ctx, "client_roots")
    if not isinstance(reply, t.ListRootsResult):
        return _ask({"client_roots": t.ListRootsRequest()})
    return "Roots: " + ", ".join(str(root.uri) for root in reply.roots)


def needs_confirmation(ctx: Context) -> str | t.InputRequiredResult:
    """Asks for a confirmation and expects its state back."""
    confirmed = _filled_in(ctx, "confirm", "ok") is not None
    if not confirmed or ctx.request_state != "awaiting-confirmation":
        request = _elicit_request("Please confirm", "ok", "boolean")
        return _ask({"confirm": request}, "awaiting-confirmation")
    return "state-ok"


def needs_several(ctx: Context) -> str | t.InputRequiredResult:
    """Asks the user, the model and for the roots at once."""
    requests: dict[str, t.InputRequest] = {
        "user_name": _elicit_request("What is your name?", "name"),
        "greeting": _sampling_request("Generate a greeting", 50),
        "client_roots": t.ListRootsRequest(),
    }
    if not requests.keys() <= (ctx.input_responses or {}).keys():
        return _ask(requests, "awaiting-three")
    return "All three were answered."


def needs_two_rounds(ctx: Context) -> str | t.InputRequiredResult:
    """Asks for a name, then for a colour."""
    if (name := _filled_in(ctx, "step1", "name")) is not None:
        question = "Step 2: What is your favorite color?"
        return _ask({"step2": _elicit_request(question, "color")}, f"name={name}")
    if (color := _filled_in(ctx, "step2", "color")) is not None:
        return f"{ctx.request_state}, color={color}"
    return _ask({"step1": _elicit_request("Step 1: What is your name?", "name")}, "start")


def needs_untampered_state(ctx: Context) -> str | t.InputRequiredResult:
    """Hands out a state that the server seals and checks on its way back."""
    if ctx.request_state is None:
        return _ask({"confirm": _elicit_request("Please confirm", "ok", "boolean")}, "sealed")
    return "The state came back whole."


def needs_what_the_client_can(ctx: Context) -> str | t.InputRequiredResult:
    """Asks only with the methods that the client declared."""
    offers: dict[str, t.InputRequest] = {}
    declared = ctx.client_capabilities or t.ClientCapabilities()
    if declared.sampling is not None:
        offers["greeting"] = _sampling_request("Generate a greeting", 50)
    if declared.elicitation is not None:
        offers["user_name"] = _elicit_request("What is your name?", "name")
    return _ask(offers) if offers else "The client can be asked nothing."


async def streaming_elicitation(ctx: Context) -> str | t.InputRequiredResult:
    """Reports progress on the response stream before it asks for a name."""
    await ctx.report_progress(1, 2)
    return needs_elicitation(ctx)


def missing_capability(ctx: Context) -> str:
    """Refuses a client that did not declare sampling."""
    needed = t.ClientCapabilities(sampling=t.SamplingCapability())
    if not ctx.session.check_client_capability(needed):
        raise MCPError(
            code=t.MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool needs a client with the sampling capability.",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return "The client can sample."


def _ask(requests: Mapping[str, t.InputRequest], state: str | None = None) -> t.InputRequiredResult:
    return t.InputRequiredResult(input_requests=dict(requests), request_state=state)


def _response(ctx: Context, key: str) -> t.InputResponse | None:
    return (ctx.input_responses or {}).get(key)


def _filled_in(ctx: Context, key: str, field: str) -> Any:
    """Value of `field` in the accepted form under `key`; None when it was not answered so."""
    reply = _response(ctx, key)
    if isinstance(reply, t.ElicitResult) and reply.action == "accept":
        return (reply.content or {}).get(field)
    return None


def _elicit_request(message: str, field: str, kind: str = "string") -> t.ElicitRequest:
    form = _form({field: {"type": kind}})
    return t.ElicitRequest(params=t.ElicitRequestFormParams(message=message, requested_schema=form))


def _sampling_request(prompt: str, max_tokens: int) -> t.CreateMessageRequest:
    message = t.SamplingMessage(role="user", content=t.TextContent(text=prompt))
    params = t.CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    return t.CreateMessageRequest(params=params)


def _form(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(fields), "required": list(fields)}


def _text_of(reply: t.CreateMessageResult) -> str:
    return reply.content.text if isinstance(reply.content, t.TextContent) else reply.content.type


# Schemas


SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def schema_2020_12(name: str = "", phone: str = "", email: str = "") -> str:
    """Tool with JSON Schema 2020-12 features."""
    return f"Reached {name} at {phone or email}."


def mirrored_header(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
) -> str:
    """Takes an argument that clients repeat in an HTTP header (SEP-2243)."""
    return f"Region {region}."


def _publish_schema(server: MCPServer, tool_name: str, schema: dict[str, Any]) -> None:
    """Replace a tool's generated input schema; the SDK has no public way to write one by hand."""
    tool = server._tool_manager.get_tool(tool_name)
    assert tool is not None, f"{tool_name} is not registered"
    tool.parameters = schema


# Prompts


def simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


def prompt_with_arguments(
    arg1: Annotated[str, Field(description="First test argument")],
    arg2: Annotated[str, Field(description="Second test argument")],
) -> str:
    """A prompt that repeats its two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


def prompt_with_embedded_resource(
    resourceUri: Annotated[str, Field(description="URI of the resource to embed")],  # noqa: N803
) -> list[UserMessage]:
    """A prompt that embeds a resource."""
    text = "Embedded resource content for testing."
    return [
        UserMessage(_embedded(resourceUri, "text/plain", text)),
        UserMessage("Please process the embedded resource above."),
    ]


def prompt_with_image() -> list[UserMessage]:
    """A prompt that shows an image."""
    return [UserMessage(_image()), UserMessage("Please analyze the image above.")]


def prompt_that_needs_input(ctx: Context) -> str | t.InputRequiredResult:
    """A prompt that first asks which context to use."""
    context = _filled_in(ctx, "user_context", "context")
    if context is None:
        question = "What context should the prompt use?"
        return _ask({"user_context": _elicit_request(question, "context")})
    return f"Use this context: {context}"


# Resources and handlers


def _add_resources(server: MCPServer) -> None:
    @server.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        """A text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        """An image."""
        return base64.b64decode(RED_PIXEL_PNG)

    @server.resource("test://watched-resource", mime_type="text/plain")
    def watched_resource() -> str:
        """A text to subscribe to."""
        return "Watched resource content."

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template_data(id: str) -> str:  # noqa: A002
        """Data for one id."""
        data = {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}
        return json.dumps(data, separators=(",", ":"))


def _add_missing_handlers(server: MCPServer) -> None:
    """Answer the methods that MCPServer leaves unanswered and `server` has not claimed."""
    lowlevel = server._lowlevel_server
    for method, params, handler in HANDLERS:
        if lowlevel.get_request_handler(method) is None:
            lowlevel.add_request_handler(method, params, handler)


async def _complete(ctx: Any, params: t.CompleteRequestParams) -> t.CompleteResult:
    cities = ("paris", "park", "party")
    values = [city for city in cities if city.startswith(params.argument.value)]
    return t.CompleteResult(completion=t.Completion(values=values, total=len(values)))


async def _accept(ctx: Any, params: Any) -> t.EmptyResult:
    return t.EmptyResult()


TOOLS: dict[str, Callable[..., Any]] = {
    "test_simple_text": simple_text,
    "test_image_content": image_content,
    "test_audio_content": audio_content,
    "test_embedded_resource": embedded_resource,
    "test_multiple_content_types": multiple_content_types,
    "test_error_handling": error_handling,
    "test_tool_with_logging": tool_with_logging,
    "test_logging_tool": tool_with_logging,
    "test_tool_with_progress": tool_with_progress,
    "test_trigger_tool_change": trigger_tool_change,
    "test_trigger_prompt_change": trigger_prompt_change,
    "test_reconnection": reconnection,
    "test_sampling": sampling,
    "test_elicitation": elicitation,
    "test_elicitation_sep1034_defaults": elicitation_defaults,
    "test_elicitation_sep1330_enums": elicitation_enums,
    "test_input_required_result_elicitation": needs_elicitation,
    "test_input_required_result_sampling": needs_sampling,
    "test_input_required_result_list_roots": needs_roots,
    "test_input_required_result_request_state": needs_confirmation,
    "test_input_required_result_multiple_inputs": needs_several,
    "test_input_required_result_multi_round": needs_two_rounds,
    "test_input_required_result_tampered_state": needs_untampered_state,
    "test_input_required_result_capabilities": needs_what_the_client_can,
    "test_streaming_elicitation": streaming_elicitation,
    "test_missing_capability": missing_capability,
    "json_schema_2020_12_tool": schema_2020_12,
    "test_mirrored_header": mirrored_header,
}

PROMPTS: dict[str, Callable[..., Any]] = {
    "test_simple_prompt": simple_prompt,
    "test_prompt_with_arguments": prompt_with_arguments,
    "test_prompt_with_embedded_resource": prompt_with_embedded_resource,
    "test_prompt_with_image": prompt_with_image,
    "test_input_required_result_prompt": prompt_that_needs_input,
}

HANDLERS: tuple[tuple[str, type[Any], Callable[..., Any]], ...] = (
    ("completion/complete", t.CompleteRequestParams, _complete),
    ("logging/setLevel", t.SetLevelRequestParams, _accept),
    ("resources/subscribe", t.SubscribeRequestParams, _accept),
    ("resources/unsubscribe", t.UnsubscribeRequestParams, _accept),
)
