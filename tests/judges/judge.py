"""Lets official SDKs judge and sign requests: a JSON object a line in, one out, in order.

    {"sdk": "stripe", "op": "verify", "method", "url", "headers", "body" (base64), "secret", "now"}
        -> {"valid": true}, or {"valid": false, "why": "what the SDK said"}
    {"sdk": "stripe", "op": "sign", ...}  -> {"headers": {...}}
    {"op": "list"}                        -> {"verify": [...], "sign": [...]}

Runs in an environment of its own (ops/requirements-judges.txt) and imports nothing of Hookkeeper.
The clock of every SDK stands at ``now``, in unix seconds.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from .asked import Asked
from .python_sdks import VERIFIERS, sdk
from .python_signers import SIGNERS


def answer(line: Mapping[str, Any]) -> Mapping[str, Any]:
    if line["op"] == "list":
        return {"verify": sorted(VERIFIERS), "sign": sorted(SIGNERS)}
    asked = Asked.read(line)
    with sdk("time_machine").travel(asked.now, tick=False):
        if line["op"] == "sign":
            return {"headers": dict(SIGNERS[line["sdk"]](asked))}
        return _verdict(VERIFIERS[line["sdk"]], asked)


def _verdict(verify: Any, asked: Asked) -> Mapping[str, Any]:
    try:
        said = verify(asked)
    except Exception as refusal:  # noqa: BLE001 -- every SDK has an exception of its own
        return {"valid": False, "why": f"{type(refusal).__name__}: {refusal}"}
    return {"valid": bool(said), "why": "" if said else repr(said)}


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # an SDK that prints must not answer for us
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
