"""What the API needs of the running server besides the web side itself."""

from __future__ import annotations

from starlette.requests import Request

from fleet.registry.secret_box import SecretBox
from fleet.web.api.shapes import Refused
from fleet.web.pages import Web


def box_of(request: Request) -> SecretBox:
    """The key box of this installation. Raises Refused (409) where the server was started without one."""
    box = Web.of(request).box
    if box is None:
        raise Refused(409, "this server holds no key of sealed parts: tell who runs it")
    return box
