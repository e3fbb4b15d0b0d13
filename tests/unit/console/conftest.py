"""A client that calls an ASGI application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp


class Client:
    """Sends one request after another; keeps cookies, follows nothing."""

    def __init__(self, app: ASGIApp, base_url: str = "http://127.0.0.1:8470") -> None:
        self.app = app
        self.base_url = base_url
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app=self.app),
                base_url=self.base_url,
                cookies=self.cookies,
            ) as client:
                answer = await client.request(method, path, **how)
                self.cookies = client.cookies
                return answer

        return asyncio.run(go())

    def get(self, path: str, **how: Any) -> httpx.Response:
        return self.ask("GET", path, **how)

    def post(self, path: str, **how: Any) -> httpx.Response:
        if isinstance(how.get("content"), list):
            chunks = how["content"]

            async def stream() -> AsyncIterator[bytes]:
                for chunk in chunks:
                    yield chunk

            how["content"] = stream()
        return self.ask("POST", path, **how)


@pytest.fixture
def client_of() -> Callable[..., Client]:
    """Makes a client of an application: `client_of(app, base_url)`."""
    return Client
