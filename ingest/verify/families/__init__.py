"""The schemes, one module a family.

Each has ``match(provider, reading, secrets)``. It answers, for every secret in order, whether it
proves the request (None: the secret cannot be used at all), or why no secret could. No family
stops at the first match, so its time does not tell which secret or signature matched.
"""

from collections.abc import Sequence

from ingest.verify.request import Rejected

#: One answer a secret: proven, not proven, or not usable.
Matches = Sequence[bool | None]
Outcome = Matches | Rejected
