"""`python -m tools.devserver`: serves what a front end needs besides the services during development. Never part of a deployment.

`/` is the example page, `/client/` the JavaScript client, `/docs/` the API documents, and `POST /dev/login` replaces an identity
provider: it gives a token to everybody, so it answers 404 unless `CHAT_DEV_LOGIN=1` and tokens are signed with the public
development secret. With a secret of your own it also needs `CHAT_DEV_LOGIN_OWN_SECRET=1`.
"""

import mimetypes
from pathlib import Path
from typing import Any

import jwt
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from shared.lifecycle import Supervisor, run, serve_until
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import Health, create_app
from tools.devtoken import LOCAL_SECRET, mint

ROOT = Path(__file__).parents[1]
PAGES = {"/client": "clients/javascript", "/docs": "docs/api", "/": "examples/web"}
"""URL prefix → folder; the root comes last, since it matches everything."""

# The table of the operating system may lack .js, or call it text/plain: browsers then refuse a module (HTML, section 8.1.4).
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("text/javascript", ".mjs")


class DevserverSettings(BaseSettings):
    """Read from the environment, like the settings of a service."""

    model_config = SettingsConfigDict(env_prefix="CHAT_", extra="ignore", frozen=True, env_ignore_empty=True)

    http_host: str = "127.0.0.1"
    http_port: int = Field(8001, ge=0, le=65535)
    jwt_secret: SecretStr = SecretStr(LOCAL_SECRET)
    dev_login: bool = Field(
        False,
        description="Whether `POST /dev/login` gives a token to anybody who asks. With a `CHAT_JWT_SECRET` of your own it does "
        "so only if `CHAT_DEV_LOGIN_OWN_SECRET` is set, too.",
    )
    dev_login_own_secret: bool = Field(
        False,
        description="Allows the login without passwords beside a `CHAT_JWT_SECRET` of your own: whoever reaches the page is "
        "any user then.",
    )

    @property
    def gives_logins(self) -> bool:
        """Whether anybody gets a token: it is wanted, and the secret is the public one or this was allowed."""
        return self.dev_login and (self.dev_login_own_secret or self.jwt_secret.get_secret_value() == LOCAL_SECRET)


class FreshFiles(StaticFiles):
    """Static files that a browser revalidates on each load, so that an edit shows at once."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        """As StaticFiles does it, with a validator but without a lifetime (RFC 9111, section 5.2.2.4)."""
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response


class Login(BaseModel):
    """Body of `POST /dev/login`."""

    username: str = Field(min_length=1, max_length=64, pattern=r"^\S+$")
    name: str | None = Field(None, max_length=100)


class Session(BaseModel):
    """Answer of `POST /dev/login`; `expiresAt` in Unix seconds."""

    token: str
    userId: str  # noqa: N815 - the wire's spelling
    username: str
    expiresAt: int  # noqa: N815 - the wire's spelling


def build(settings: DevserverSettings) -> FastAPI:
    """The app: its one call, then the folders that exist."""
    app = create_app("development server", Health({}))

    @app.post("/dev/login")
    async def login(body: Login) -> Session:
        if not settings.gives_logins:
            raise ProtocolError(ErrorCode.NOT_FOUND)
        token = mint(body.username, body.name, secret=settings.jwt_secret.get_secret_value())
        claims = jwt.decode(token, options={"verify_signature": False})
        return Session(token=token, userId=claims["sub"], username=body.username, expiresAt=claims["exp"])

    @app.get("/docs")
    async def documents() -> RedirectResponse:
        return RedirectResponse("/docs/")

    for prefix, folder in PAGES.items():
        if (ROOT / folder).is_dir():
            app.mount(prefix, FreshFiles(directory=ROOT / folder, html=True), name=folder)
    return app


async def main() -> int:
    """Serve until a signal; returns the exit status."""
    settings = DevserverSettings()
    config = uvicorn.Config(
        build(settings), host=settings.http_host, port=settings.http_port, log_level="warning", access_log=False
    )
    return await serve_until(config, Supervisor())


if __name__ == "__main__":
    run(main)
