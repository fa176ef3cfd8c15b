"""Stream a run to a web page as server-sent events.

uvicorn examples.streaming_web:app, then open http://127.0.0.1:8000
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.redaction import redact
from selfcritic.graphs import create_self_critique, stream_answer

app = FastAPI()
graph = create_self_critique(model="simulated").compile()
PAGE = """<!doctype html><title>selfcritic</title><p id="answer"></p><ol id="events"></ol>
<script>
  let message
  const source = new EventSource("/run" + (location.search || "?question=What is 128 %2B 256?"))
  source.onmessage = ({data}) => {
    const event = JSON.parse(data)
    if (event.event === "token") {
      if (event.id !== message) answer.textContent = ""  // another message, such as after a tool call
      message = event.id
      answer.textContent += event.text
    } else events.appendChild(document.createElement("li")).textContent = data
    if (event.event === "stopped") answer.textContent = event.answer  // replaces the draft
  }
  source.onerror = () => source.close()  // without this, the browser starts another run
</script>"""


@app.get("/", response_class=HTMLResponse)
def page() -> str:
    """Serve the page, which passes its query string on to /run."""
    return PAGE


@app.get("/run", response_class=EventSourceResponse)
async def run(question: str) -> AsyncIterator[Mapping[str, object]]:
    """Stream the tokens of the first draft and the events of one run; cancel it with the client."""
    try:
        async with aclosing(stream_answer(graph, {"question": question})) as events:
            async for event in events:
                yield event
    except SelfcriticError as error:
        yield {"event": "failed", "reason": redact(str(error))}
