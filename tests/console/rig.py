"""A console in this process, behind ASGI, on a database that the test fills."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from openapi_schema_validator import OAS31Validator

from ingest.config.settings import Settings, load_settings
from ingest.console.app import create_app
from ingest.store import Database
from tests.lifespan import living

TOKEN = "hookkeeper_a-token-that-this-test-chose"
CONFIG = """
retention = "30d"
handlers = ["console_handlers"]

[sources.open]
provider = "none"

[sources.token]
secrets = ["env:TOKEN_SECRET"]
retention = "7d"
[sources.token.scheme]
family = "token"
header = "X-Gitlab-Token"

[destinations.billing]
url = "https://billing.example.com/hooks?key=in-the-url"
concurrency = 3
"""
HANDLERS = """
from ingest import Event, JobContext, job, on

@on("open", name="deploy")
def deploy(event: Event) -> None: ...

@job(name="resize", queue="images")
def resize(context: JobContext, image: str, *, width: int = 80) -> None: ...
"""


@dataclass
class Console:
    """A client that shows the token, the database, and the document that describes the answers."""

    client: httpx.AsyncClient
    database: Database
    settings: Settings
    document: dict[str, Any]

    async def get(self, path: str, **parameters: object) -> Any:
        """The JSON of a 200, as the document says that it is."""
        given: dict[str, Any] = {k: v for k, v in parameters.items() if v is not None}
        answer = await self.client.get(f"/api/v1/{path}", params=given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(
        self, path: str, json: object = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return await self.client.post(f"/api/v1/{path}", json=json, headers=headers)

    async def fault(self, method: str, path: str, **given: Any) -> tuple[int, str, str | None]:
        """Status, code and field of an answer that has to be an error."""
        answer = await self.client.request(method, f"/api/v1/{path}", **given)
        said = answer.json()["error"]
        assert said["message"]
        return answer.status_code, said["code"], said.get("field")

    def operation(self, method: str, name: str) -> dict[str, Any]:
        """What the document says of an operation."""
        for path in self.document["paths"].values():
            for verb, described in path.items():
                if verb == method.lower() and described["operationId"] == name:
                    return dict(described)
        raise AssertionError(f"the document has no {name}")

    def check(self, name: str, answer: httpx.Response) -> None:
        """An answer has a status and a body that the document foresees for its operation."""
        responses = self.operation(answer.request.method, name)["responses"]
        assert str(answer.status_code) in responses, (name, answer.status_code, answer.text)
        content = responses[str(answer.status_code)]["content"]
        media_type = answer.headers["content-type"].partition(";")[0]
        assert media_type in content, (name, media_type)
        schema = content[media_type].get("schema")
        if schema is not None:
            whole = {**schema, "components": self.document["components"]}
            OAS31Validator(whole).validate(answer.json())


def settings_in(folder: Path, database_url: str, **changes: str) -> Settings:
    """Settings of a console in ``folder``, whose token is in a file that is there already."""
    (folder / "hookkeeper.toml").write_text(CONFIG)
    (folder / "console_handlers.py").write_text(HANDLERS)
    (folder / "console.token").write_text(TOKEN)
    given = {
        "DATA": str(folder / "data"),
        "DATABASE_URL": database_url,
        "BROKER_URL": "redis://127.0.0.1:1/0",  # nobody listens there: it must not matter
        "CONSOLE_TOKEN": f"file:{folder / 'console.token'}",
        **changes,
    }
    return load_settings({f"HOOKKEEPER_{name}": each for name, each in given.items()}, folder)


@contextlib.asynccontextmanager
async def answering(
    settings: Settings, host: str = "127.0.0.1:8091", token: str = TOKEN
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a console that is started and stopped as by a server."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    headers = {"authorization": f"Bearer {token}"}
    client = httpx.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers)
    async with living(app), client:
        yield client
