"""Errors of the API as RFC 9457 problem documents: whose fault it is and what the caller can do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: object) -> Response:
    """``application/problem+json`` with status, title and detail; ``members`` are added as they are."""
    document = {"status": status, "title": HTTPStatus(status).phrase, "detail": detail, **members}
    return Response(
        json.dumps(document, ensure_ascii=False),
        status_code=status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )
