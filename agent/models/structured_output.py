"""Tool calls and structured output in OpenAI's form."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Literal

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseOutputParser, JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

StructuredOutputMethod = Literal["json_schema", "function_calling", "json_mode"]
METHODS: tuple[StructuredOutputMethod, ...] = ("json_schema", "function_calling", "json_mode")


def convert_tool_choice(
    tool_choice: str | bool | Mapping[str, Any] | None, tool_names: list[str]
) -> str | dict[str, Any] | None:
    """Convert LangChain's forms of `tool_choice` to OpenAI's; "any" and True require a call.

    Raises:
        ValueError: there is no tool of this name.
    """
    if not tool_choice:
        return None
    if isinstance(tool_choice, Mapping):
        return dict(tool_choice)
    if tool_choice is True or tool_choice == "any":
        return "required"
    if tool_choice in tool_names:
        return {"type": "function", "function": {"name": tool_choice}}
    if tool_choice in ("auto", "none", "required"):
        return tool_choice
    names = ", ".join(tool_names)
    raise ValueError(
        f"tool_choice must be a tool's name ({names}), any, auto or none, not '{tool_choice}'."
    )


def response_format(
    schema: Any, method: StructuredOutputMethod, strict: bool | None
) -> dict[str, Any]:
    """Return OpenAI's `response_format` for a schema."""
    if method == "json_mode":
        return {"type": "json_object"}
    function = convert_to_openai_tool(schema, strict=strict)["function"]
    json_schema = {"name": function["name"], "schema": function["parameters"]}
    if function.get("description"):
        json_schema["description"] = function["description"]
    if strict is not None:
        json_schema["strict"] = strict
    return {"type": "json_schema", "json_schema": json_schema}


def output_parser(schema: Any, method: StructuredOutputMethod) -> Runnable[AIMessage, Any]:
    """Return a parser of replies: to the Pydantic class, else to a dict."""
    is_pydantic = isinstance(schema, type) and is_basemodel_subclass(schema)
    if method == "function_calling":
        if is_pydantic:
            return PydanticToolsParser(tools=[schema], first_tool_only=True)
        name = convert_to_openai_tool(schema)["function"]["name"]
        return JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
    parser: BaseOutputParser[Any] = JsonOutputParser()
    if is_pydantic:
        parser = PydanticOutputParser(pydantic_object=schema)
    return parser


def with_parser(
    model: Runnable[LanguageModelInput, AIMessage],
    parser: Runnable[AIMessage, Any],
    *,
    include_raw: bool,
) -> Runnable[LanguageModelInput, Any]:
    """Parse the model's replies; `include_raw` keeps the reply and a parsing error."""
    if not include_raw:
        return model | parser
    parse = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    fallback = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parse.with_fallbacks([fallback], exception_key="parsing_error")
