"""The critic alone on a file that somebody else wrote: what it objects to, line by line.

python examples/review_file.py [FILE QUESTION]
"""

import sys
from pathlib import Path

from selfcritic.agent import load
from selfcritic.graphs import create_review

QUESTION = "Write a Python function f(xs). Return the sum plus 2."
CODE = """def f(xs):
    out = 0
    for x in xs:
        out += x
    return out + 3
"""

review = create_review(model=load("simulated", seed=2), num_critiques=8).compile()  # or a name, and checkers=["lint"]
code, question = (Path(sys.argv[1]).read_text(), sys.argv[2]) if len(sys.argv) > 2 else (CODE, QUESTION)
out = review.invoke({"question": question, "answer": code})

critique = out["critique"]
for comment in critique.comments if critique else []:
    line = code.count("\n", 0, comment.start) + 1
    print(f"line {line}: {comment.quote.strip()!r}: {comment.text}")
print(
    f"{out['stop_reason']}, {out['usage'].calls} calls; quotes that are not in the file: {out['ungrounded_rate']:.0%}"
)
