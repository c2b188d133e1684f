"""How long a check takes with a long past, and taking in what was said.

python tests/measuring/guard_speed.py [--calls 10000]
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable

from pagefault.base.call import Call, Outcome
from pagefault.guards.fold import judge
from pagefault.guards.guard import Question, Tool
from pagefault.guards.known import Known
from pagefault.guards.past import Past, step
from pagefault.guards.presets import DEFAULT, STRICT

SCHEMA = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "amount": {"type": "number"}},
    "required": ["order_id"],
}


def timed(work: Callable[[], object]) -> float:
    """Microseconds of one run."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e6


def told(name: str, times: list[float]) -> None:
    times.sort()
    median, high = times[len(times) // 2], times[int(len(times) * 0.99)]
    print(f"{name:<34} p50 {median:8.1f} us   p99 {high:8.1f} us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    calls = parser.parse_args().calls
    dice = random.Random(7)
    past, known = Past(), Known()
    folding, telling, size = [], [], 0
    for number in range(calls):
        call = Call("get_order", {"order_id": f"#W{dice.randrange(10**7)}", "amount": number})
        result = {"id": call.arguments["order_id"], "items": [dice.randrange(10**10)] * 5}
        text = json.dumps(result)
        size += len(text)
        made = Outcome(True, result)
        folding.append(timed(lambda c=call, m=made, n=number: past.take(step(c, m, float(n), 0.1))))
        telling.append(timed(lambda t=text: known.tell(t)))
    told("a call folded into the past", folding)
    told("a result told", telling)
    print(f"{'texts told':<34} {size / sum(telling):8.2f} MB/s, {len(known.tokens):,} tokens")
    for name, rules, tool in (
        ("check, default", DEFAULT, Tool()),
        ("check, default, with a schema", DEFAULT, Tool(schema=SCHEMA)),
        ("check, strict, with a schema", STRICT, Tool(schema=SCHEMA)),
    ):
        times = []
        for number in range(2_000):
            call = Call("get_order", {"order_id": f"#W{number}", "amount": number + 0.5})
            asked = Question(call, call.arguments, past, float(calls), tool, ("v1",), known)
            times.append(timed(lambda q=asked, r=rules: judge(q, r)))
        told(name, times)


if __name__ == "__main__":
    main()
