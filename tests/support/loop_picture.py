"""Write docs/loop.svg: the picture of the graph, for pages without Mermaid.

python -m tests.support.loop_picture
"""

from pathlib import Path
from typing import NamedTuple

from langchain_core.runnables.graph import Edge, Graph

from selfcritic.graphs.self_critique import create_self_critique

PICTURE = Path(__file__).parents[2] / "docs" / "loop.svg"
WIDTH, HEIGHT = 800, 330
HALF_WIDTH, HALF_HEIGHT = 46, 18


class Point(NamedTuple):
    """A position in pixels."""

    x: float
    y: float


POSITIONS = {
    "__start__": Point(60, 180),
    "generate": Point(190, 180),
    "classify": Point(320, 180),
    "critique": Point(450, 180),
    "select": Point(590, 180),
    "refine": Point(730, 180),
    "fsbs": Point(520, 108),
    "__end__": Point(520, 290),
}
LABELS = {"__start__": "start", "__end__": "end"}
ARC_HEIGHTS = {("classify", "refine"): 150.0, ("refine", "classify"): 215.0}
"""Edges that are drawn as an arc above the others, with the height of its control points."""
OPTIONAL_EDGES = {
    ("classify", "refine"),
    ("classify", "fsbs"),
    ("fsbs", "refine"),
    ("fsbs", "__end__"),
}
"""Edges of parts that are off by default."""
STYLE = """\
  <style>
    text { font: 15px system-ui, sans-serif; fill: #26213f; text-anchor: middle; }
    .note { font-size: 12px; fill: #5d5878; text-anchor: start; }
    .node { fill: #f2f0ff; stroke: #7c6cd8; }
    .terminal { fill: #cfc8fb; stroke: #7c6cd8; }
    .edge { fill: none; stroke: #5d5878; stroke-width: 1.4; marker-end: url(#head); }
    .conditional { stroke-dasharray: 5 4; }
    .optional { stroke: #a9a3c9; }
  </style>
  <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
    <path d="M0 0 8 4 0 8z" fill="#5d5878"/>
  </marker>
"""
NOTES = ("dashed: one of these edges is taken", "light: off by default")


def picture() -> str:
    """Return the SVG of the self-critique graph."""
    graph = create_self_critique(model="simulated").compile().get_graph()
    return draw(graph)


def draw(graph: Graph) -> str:
    """Return the SVG of a graph whose nodes all have a position."""
    missing = graph.nodes.keys() - POSITIONS.keys()
    if missing:
        raise ValueError(f"add positions for these nodes: {', '.join(sorted(missing))}")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "  <title>The self-critique graph</title>",
        STYLE.rstrip(),
        f'  <rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#fff"/>',
    ]
    for edge in sorted(graph.edges, key=lambda edge: (edge.source, edge.target)):
        lines.append(_draw_edge(edge))
    for name in sorted(graph.nodes):
        lines += _draw_node(name)
    for index, note in enumerate(NOTES):
        lines.append(f'  <text class="note" x="20" y="{HEIGHT - 34 + 18 * index}">{note}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _draw_edge(edge: Edge) -> str:
    ends = (edge.source, edge.target)
    classes = "edge"
    if edge.conditional:
        classes += " conditional"
    if ends in OPTIONAL_EDGES:
        classes += " optional"
    return f'  <path class="{classes}" d="{_path(ends)}"/>'


def _path(ends: tuple[str, str]) -> str:
    source, target = (POSITIONS[name] for name in ends)
    if ends in ARC_HEIGHTS:
        shift = HALF_WIDTH / 3
        if ARC_HEIGHTS[ends] == max(ARC_HEIGHTS.values()):
            shift = -shift  # the outer arc starts and ends outside of the inner one
        direction = 1 if source.x < target.x else -1
        start_x = source.x + direction * shift
        end_x = target.x - direction * shift
        top = source.y - HALF_HEIGHT
        control = top - ARC_HEIGHTS[ends]
        return f"M{start_x:.0f} {top} C{start_x:.0f} {control:.0f} {end_x:.0f} {control:.0f} {end_x:.0f} {top}"
    start = _border_point(source, target)
    end = _border_point(target, source)
    return f"M{start.x:.0f} {start.y:.0f} L{end.x:.0f} {end.y:.0f}"


def _border_point(center: Point, toward: Point) -> Point:
    """Return where the line between two centers leaves the first node."""
    dx, dy = toward.x - center.x, toward.y - center.y
    scale = 1 / max(abs(dx) / HALF_WIDTH, abs(dy) / HALF_HEIGHT)
    return Point(center.x + scale * dx, center.y + scale * dy)


def _draw_node(name: str) -> list[str]:
    center = POSITIONS[name]
    is_terminal = name in LABELS
    css_class = "terminal" if is_terminal else "node"
    radius = HALF_HEIGHT if is_terminal else 5
    left, top = center.x - HALF_WIDTH, center.y - HALF_HEIGHT
    return [
        f'  <rect class="{css_class}" x="{left}" y="{top}" width="{2 * HALF_WIDTH}" '
        f'height="{2 * HALF_HEIGHT}" rx="{radius}"/>',
        f'  <text x="{center.x}" y="{center.y + 5}">{LABELS.get(name, name)}</text>',
    ]


if __name__ == "__main__":
    PICTURE.write_text(picture(), "utf-8")
