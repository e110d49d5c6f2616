"""Settings of the notifications service: ``NOTIFICATIONS_…`` variables, or its section of the config file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field


class Smtp(BaseModel):
    """A mail server.

    Attributes:
        host, port: where it is.
        starttls: encrypt; needed by most servers that want a password.
        username: empty for a server that wants none.
        password_secret: name of the password in the secret store. It is not a setting: settings get printed.
    """

    host: str
    port: int = Field(default=25, ge=1, le=65535)
    starttls: bool = False
    username: str = ""
    password_secret: str = "smtp-password"  # noqa: S105 - a name, not a password


class NotificationsConfig(BaseModel):
    """Settings.

    Attributes:
        sender: address that mails come from.
        smtp: server that takes the mails (``NOTIFICATIONS_SMTP__HOST`` …); without one they become files in ``folder``.
        folder: where mails are written as ``.eml`` files.
    """

    sender: str = "shop@example.com"
    smtp: Smtp | None = None
    folder: Path = Path("data/mail")
