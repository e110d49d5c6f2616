"""Mails, and the ways they leave. Both block, so they run in threads."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from services.notifications.config import Smtp


class Postbox(Protocol):
    """Takes mails."""

    def post(self, mail: EmailMessage) -> None:
        """Take one mail; returns when it has left.

        Raises:
            OSError: it did not leave; trying again may help.
        """


@dataclass(frozen=True)
class FolderPostbox:
    """Writes each mail into a file named after its id."""

    folder: Path

    def post(self, mail: EmailMessage) -> None:
        """See ``Postbox``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = mail["Message-ID"].strip("<>").partition("@")[0]
        (self.folder / f"{name}.eml").write_bytes(bytes(mail))


@dataclass(frozen=True)
class SmtpPostbox:
    """Hands each mail to a server, over a connection of its own."""

    server: Smtp
    password: str

    def post(self, mail: EmailMessage) -> None:
        """See ``Postbox``."""
        with smtplib.SMTP(self.server.host, self.server.port, timeout=20) as smtp:
            if self.server.starttls:
                smtp.starttls(context=ssl.create_default_context())
            if self.server.username:
                smtp.login(self.server.username, self.password)
            smtp.send_message(mail)


def compose(id_: str, sender: str, to: str, subject: str, text: str) -> EmailMessage:
    """A mail. The id is the same whenever the same mail is made again, so that readers can tell."""
    mail = EmailMessage()
    mail["Message-ID"] = f"<{id_}@{sender.partition('@')[2]}>"
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail.set_content(text)
    return mail
