"""Run the critic alone on a file and print comments by line.

python examples/review_file.py [FILE QUESTION]
"""

import sys
from pathlib import Path

from selfcritic.agent import load
from selfcritic.graphs import create_review

question = "Write a Python function f(xs). Return the sum plus 2."
code = """def f(xs):
    out = 0
    for x in xs:
        out += x
    return out + 3
"""
if len(sys.argv) > 2:
    code = Path(sys.argv[1]).read_text()
    question = sys.argv[2]

review = create_review(model=load("simulated", seed=2), num_critiques=8).compile()
output = review.invoke({"question": question, "answer": code})

critique = output["critique"]
if critique is not None:
    for comment in critique.comments:
        line = code.count("\n", 0, comment.start) + 1
        print(f"line {line}: {comment.quote.strip()!r}: {comment.text}")
print(
    f"{output['stop_reason']}, {output['usage'].calls} calls, {output['ungrounded_rate']:.0%} ungrounded quotes"
)
