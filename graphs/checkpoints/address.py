"""Recognize PostgreSQL addresses in all spellings, and describe them without secrets."""

import re
from dataclasses import dataclass
from typing import Any

from selfcritic.agent.addresses import is_misplaced_address
from selfcritic.agent.errors import InputError

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")
_PARAMETER = re.compile(
    r"\s*(?:host|hostaddr|port|dbname|user|service|passfile|options|sslmode|application_name|connect_timeout)\s*=",
    re.IGNORECASE,
)
"""Start of libpq's other form, `host=… user=…`."""
_ASSIGNMENT = re.compile(r"\s*\w+\s*=")
_SAFE_NAME = re.compile(r"[\w.,:/ -]*")
_QUOTE = (
    "Percent-encode special characters in the user and password, such as %40 for @, %2F for / and %25 for %, "
    "or write 'host=HOST user=USER password=PASSWORD dbname=NAME'."
)
_CONNECT_SECONDS = 20


@dataclass(frozen=True)
class PostgresAddress:
    """A parsed address; its text form has no secrets."""

    conninfo: str
    parameters: dict[str, Any]

    def __str__(self) -> str:
        """Return host, port and database."""
        host = self.parameters.get("host") or self.parameters.get("hostaddr")
        name = str(host or "the local socket")
        if self.parameters.get("service"):
            name = f"service {self.parameters['service']}"
        if self.parameters.get("port"):
            name += f":{self.parameters['port']}"
        if self.parameters.get("dbname"):
            name += f", database {self.parameters['dbname']}"
        return name

    def __repr__(self) -> str:
        return f"PostgresAddress({self})"

    def redact(self, text: str) -> str:
        """Return a message of the server or driver without the address's secrets."""
        text = " ".join(text.split())
        for name in ("password", "user", "sslpassword", "passfile"):
            value = str(self.parameters.get(name) or "")
            if value:
                text = text.replace(f'"{value}"', f"the {name}")
            if len(value) > 2:
                text = text.replace(value, f"<{name}>")
        return text.rstrip(".")


def is_database_address(where: str) -> bool:
    """Return whether a value names a database, not a file."""
    return is_misplaced_address(where) or _PARAMETER.match(where) is not None


def parse_address(where: str) -> PostgresAddress:
    """Parse a PostgreSQL address.

    Raises:
        InputError: The value cannot be parsed, or names another database; the message has no part of it that may be
            secret.
    """
    try:
        from psycopg import Error
        from psycopg.conninfo import conninfo_to_dict, make_conninfo
    except ImportError as error:
        raise InputError(
            "PostgreSQL needs an extra: pip install 'selfcritic[postgres]'."
        ) from error
    conninfo = _normalize(where)
    try:
        parameters = conninfo_to_dict(conninfo)
        _check_names(parameters)
        if "connect_timeout" not in parameters:
            conninfo = make_conninfo(conninfo, connect_timeout=_CONNECT_SECONDS)
    except (Error, ValueError, TypeError):
        # The original error may quote the password.
        raise InputError(
            f"The PostgreSQL address (--checkpoint) cannot be parsed. {_QUOTE}"
        ) from None
    return PostgresAddress(conninfo, dict(parameters))


def _normalize(where: str) -> str:
    """Return an address with the scheme that libpq expects."""
    scheme = _SCHEME.match(where)
    if scheme is None:
        if "://" in where or not _ASSIGNMENT.match(where):
            raise InputError(
                "The checkpoint (--checkpoint) must be a file or a PostgreSQL address, such as "
                f"postgresql://USER:PASSWORD@HOST/NAME. {_QUOTE}"
            )
        return where
    name = scheme[1].lower().partition("+")[0]  # SQLAlchemy adds the driver: postgresql+psycopg
    if name not in ("postgresql", "postgres"):
        raise InputError(
            f"The checkpoint (--checkpoint) must be a file or a postgresql:// address, not {name}://. "
            "Pass the path of a SQLite file without a scheme."
        )
    rest = where[scheme.end() :].strip()
    before_path = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if rest.count("@") > 1 or ("@" in rest and "@" not in before_path):
        # libpq would take a part of the password for the host.
        raise InputError(f"The PostgreSQL address (--checkpoint) is ambiguous. {_QUOTE}")
    return f"postgresql://{rest}"


def _check_names(parameters: dict[str, Any]) -> None:
    """Reject values that are probably parts of a password."""
    for port in str(parameters.get("port") or "").split(","):
        if port and not port.isdecimal():
            raise ValueError("port")
    for name in ("host", "hostaddr", "dbname", "service"):
        if not _SAFE_NAME.fullmatch(str(parameters.get(name) or "")):
            raise ValueError(name)
