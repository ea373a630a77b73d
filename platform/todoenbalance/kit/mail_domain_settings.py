"""Settings of practices' own mail domains."""

import ipaddress
from typing import Self

from pydantic import BaseModel, Field, model_validator


class MailDomainSettings(BaseModel):
    """What practices are to enter in the DNS of a domain of their own, and who is asked whether it is there.

    ``dkim_selector``, ``dkim_target``: where mail is carried by SMTP, the selector by which the mail server signs for
    practices' domains, and the name at which the operator publishes its public key; practices point a CNAME there.
    ``spf_include``: the domain whose SPF record names the mail server; empty asks for none. With SendGrid these three
    mean nothing: it says itself what is to be entered.
    ``resolvers``: DNS servers (``address`` or ``address:port``, by commas); empty: the machine's own.
    """

    dkim_selector: str = Field(default="", pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$")
    dkim_target: str = Field(default="", pattern=r"^[a-z0-9_.-]{0,253}$")
    spf_include: str = Field(default="", pattern=r"^[a-z0-9_.-]{0,253}$")
    resolvers: str = ""
    timeout_seconds: float = Field(default=4.0, gt=0, le=10, description="for one question, tries included")

    @property
    def nameservers(self) -> list[tuple[str, int]]:
        """Address and port of each resolver that was set."""
        return [_host_and_port(part.strip()) for part in self.resolvers.split(",") if part.strip()]

    @model_validator(mode="after")
    def _refuse_halves(self) -> Self:
        if bool(self.dkim_selector) != bool(self.dkim_target):
            raise ValueError("mail.domains: dkim_selector and dkim_target go together")
        for address, _port in self.nameservers:
            ipaddress.ip_address(address)
        return self


def _host_and_port(given: str) -> tuple[str, int]:
    """``10.0.0.2``, ``10.0.0.2:5353``, ``::1``, ``[::1]:5353``."""
    if given.startswith("["):
        address, _, port = given[1:].partition("]")
        return address, int(port.lstrip(":") or 53)
    address, _, port = given.partition(":") if given.count(":") == 1 else (given, "", "")
    return address, int(port or 53)
