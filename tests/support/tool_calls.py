"""Reply to requests with tools or a JSON schema, for the fake provider."""

import json
import re
from typing import Any

Body = dict[str, Any]


def call_tool(body: Body) -> Body | None:
    """Return a call of the first or the chosen tool; None after its result or if calls are off."""
    tools = body.get("tools")
    choice = body.get("tool_choice")
    if not tools or choice == "none" or body["messages"][-1]["role"] == "tool":
        return None
    function = tools[0]["function"]
    if isinstance(choice, dict):
        names = {tool["function"]["name"]: tool["function"] for tool in tools}
        function = names[choice["function"]["name"]]
    arguments = _example(function.get("parameters") or {}, _question(body))
    return {
        "id": "call_1",
        "type": "function",
        "function": {
            "name": function["name"],
            "arguments": json.dumps(arguments, ensure_ascii=False),
        },
    }


def structured_text(body: Body) -> str | None:
    """Return JSON in the requested format; None if no format is requested."""
    response_format = body.get("response_format") or {}
    question = _question(body)
    if response_format.get("type") == "json_object":
        keys = re.findall(r"'(\w+)'", question)
        return json.dumps(dict.fromkeys(keys, "some text"))
    if response_format.get("type") == "json_schema":
        return json.dumps(_example(response_format["json_schema"]["schema"], question))
    return None


def tool_call_deltas(call: Body) -> list[Body]:
    """Split a call into the deltas of a stream."""
    arguments = call["function"]["arguments"]
    middle = len(arguments) // 2
    first = {**call, "index": 0}
    first["function"] = {"name": call["function"]["name"], "arguments": arguments[:middle]}
    second = {"index": 0, "function": {"arguments": arguments[middle:]}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [first]},
        {"tool_calls": [second]},
    ]


def _question(body: Body) -> str:
    """Return the text of the last user message."""
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            return str(message["content"])
    return ""


def _example(schema: Body, question: str) -> Any:
    """Return an object of a JSON schema with the numbers and quotes of the question."""
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties") or {}
        return {name: _example(value, question) for name, value in properties.items()}
    number = re.search(r"\d+", question)
    if schema.get("type") == "integer":
        return int(number[0]) if number else 1
    quote = re.search(r"'([^']+)'", question)
    return quote[1] if quote else "some text"
