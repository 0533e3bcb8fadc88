"""The OpenAPI 3.1 document of a table of operations.

https://spec.openapis.org/oas/v3.1.1
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ingest import __version__
from ingest.console.answering import Failure
from ingest.console.asking import BODY, KEY, KEY_HEADER
from ingest.console.operations import Operation
from ingest.console.refusals import JSON

_REFERENCE = "#/components/schemas/{model}"
_IN_PATH = re.compile(r"\{(\w+)\}")

Mode = Literal["validation", "serialization"]
Schema = dict[str, Any]


def document(operations: Sequence[Operation[Any]]) -> Schema:
    """Describe every operation of a table."""
    schemas = _Schemas(operations)
    paths: dict[str, Schema] = {}
    for operation in operations:
        described = _operation(operation, schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hookkeeper console",
            "version": __version__,
            "summary": "Events, deliveries, dead letters, sources, destinations and jobs.",
            "description": "Times (`..._at`) are milliseconds since the epoch, UTC. Lists go on "
            "with `after`, which takes `next` of the page before.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.shared,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Schemas:
    """The JSON schemas of all models; ``shared`` are those of bodies and answers."""

    def __init__(self, operations: Sequence[Operation[Any]]) -> None:
        asked = {one.asks for one in operations}
        answered = {model for one in operations for model in one.answers.values() if model}
        answered.add(Failure)
        modes: list[tuple[type[BaseModel], Mode]] = [(model, "validation") for model in asked]
        modes += [(model, "serialization") for model in answered]
        modes.sort(key=lambda pair: pair[0].__name__)  # the same document every time
        self._references, definitions = models_json_schema(modes, ref_template=_REFERENCE)
        self.shared: dict[str, Schema] = definitions["$defs"]
        self._asked = {model: self.shared.pop(self._name(model, "validation")) for model in asked}

    def answer(self, model: type[BaseModel]) -> Schema:
        """A reference to the schema of an answer."""
        return self._references[model, "serialization"]

    def fields(self, asked: type[BaseModel]) -> dict[str, tuple[Schema, bool]]:
        """The schema of everything that is asked, by name, and whether it has to be given."""
        schema = self._asked[asked]
        required = schema.get("required", ())
        properties: dict[str, Schema] = schema.get("properties", {})
        return {name: (one, name in required) for name, one in properties.items()}

    def _name(self, model: type[BaseModel], mode: Mode) -> str:
        return str(self._references[model, mode]["$ref"]).rpartition("/")[2]


def _operation(operation: Operation[Any], schemas: _Schemas) -> Schema:
    fields = schemas.fields(operation.asks)
    in_path = set(_IN_PATH.findall(operation.path))
    described: Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [
            _parameter(name, schema, required=required, in_path=name in in_path)
            for name, (schema, required) in fields.items()
            if name != BODY
        ],
        "responses": _responses(operation, schemas),
    }
    if BODY in fields:
        schema, required = fields[BODY]
        described["requestBody"] = {
            "required": required,
            "content": {JSON: {"schema": {"$ref": schema["$ref"]}}},
        }
    if operation.public:
        described["security"] = []
    return described


def _parameter(name: str, schema: Schema, *, required: bool, in_path: bool) -> Schema:
    place = "path" if in_path else "header" if name == KEY else "query"
    schema = _given(schema)
    described = schema.pop("description", None)
    schema.pop("title", None)
    parameter = {
        "name": KEY_HEADER if name == KEY else name,
        "in": place,
        "required": required,
        "schema": schema,
    }
    return parameter if described is None else {**parameter, "description": described}


def _given(schema: Schema) -> Schema:
    """A parameter that need not be given is left out; there is no null in a URL."""
    schema = dict(schema)
    if "default" in schema and schema["default"] is None:
        del schema["default"]
    choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if choices:
        del schema["anyOf"]
        schema |= choices[0] if len(choices) == 1 else {"anyOf": choices}
    return schema


def _responses(operation: Operation[Any], schemas: _Schemas) -> Schema:
    described = {
        str(status): _response(
            status, operation.media_type, None if model is None else schemas.answer(model)
        )
        for status, model in operation.answers.items()
    }
    refusals = {421, 422, 500, *operation.refuses}
    if not operation.public:
        refusals |= {401, 503}
    if BODY in operation.asks.model_fields:
        refusals |= {413, 415}
    for status in sorted(refusals):
        described[str(status)] = _response(status, JSON, schemas.answer(Failure))
    return described


def _response(status: int, media_type: str, schema: Schema | None) -> Schema:
    content: Schema = {media_type: {"schema": schema} if schema else {}}
    described: Schema = {"description": HTTPStatus(status).phrase, "content": content}
    if status == HTTPStatus.ACCEPTED:
        described["headers"] = {
            "Location": {"description": "Where to look at it.", "schema": {"type": "string"}}
        }
    return described
