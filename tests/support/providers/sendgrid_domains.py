"""The local SendGrid's authenticated domains: made, looked up in a zone, deleted."""

from collections.abc import Mapping
from typing import Any

from tests.contract.documents import CheckedRequest
from tests.support.providers.server import Answer

Json = dict[str, Any]
Zone = Mapping[tuple[str, str], list[str]]
"""Values by type and name of the record."""
DOMAINS = "/v3/whitelabel/domains"
USER = 1446226
HANDLED = {
    ("GET", DOMAINS): "list",
    ("POST", DOMAINS): "create",
    ("GET", f"{DOMAINS}/{{domain_id}}"): "read",
    ("DELETE", f"{DOMAINS}/{{domain_id}}"): "delete",
    ("POST", f"{DOMAINS}/{{id}}/validate"): "validate",
}


class Domains:
    """Those of one account."""

    def __init__(self) -> None:
        self.by_id: dict[int, Json] = {}
        self._next = 302183

    def handle(self, checked: CheckedRequest, zone: Zone) -> Answer:
        """Carry out one operation of :data:`HANDLED`."""
        assert checked.operation is not None
        name = HANDLED[checked.operation.key]
        if name == "list":
            wanted = checked.query.get("domain")
            return Answer(200, [one for one in self.by_id.values() if wanted in (None, one["domain"])])
        if name == "create":
            return self._create(dict(checked.body))
        found = self.by_id.get(int(checked.path.get("domain_id") or checked.path["id"]))
        if found is None:
            return Answer(404, _errors("not found"))
        if name == "read":
            return Answer(200, found)
        if name == "delete":
            del self.by_id[found["id"]]
            return Answer(204)
        return self._validate(found, zone)

    def _create(self, asked: Json) -> Answer:
        domain = asked["domain"]
        if any(one["domain"] == domain for one in self.by_id.values()):
            return Answer(400, _errors("An authenticated domain already exists for this URL."))
        number, self._next = self._next, self._next + 1
        subdomain = asked.get("subdomain") or f"em{number % 10_000}"
        behind = f"u{USER}.wl.sendgrid.net"
        hosts = {
            "mail_cname": (f"{subdomain}.{domain}", behind),
            "dkim1": (f"s1._domainkey.{domain}", f"s1.domainkey.{behind}"),
            "dkim2": (f"s2._domainkey.{domain}", f"s2.domainkey.{behind}"),
        }
        made = {
            "id": number,
            "user_id": USER,
            "subdomain": subdomain,
            "domain": domain,
            "username": "todoenbalance",
            "ips": [],
            "custom_spf": asked.get("custom_spf", False),
            "default": asked.get("default", False),
            "legacy": False,
            "automatic_security": asked.get("automatic_security", True),
            "valid": False,
            "dns": {
                name: {"valid": False, "type": "cname", "host": host, "data": data}
                for name, (host, data) in hosts.items()
            },
        }
        self.by_id[number] = made
        return Answer(201, made)

    def _validate(self, found: Json, zone: Zone) -> Answer:
        results: Json = {}
        for name, record in found["dns"].items():
            seen = zone.get(("CNAME", record["host"]), [])
            record["valid"] = seen == [record["data"]]
            reason = None if record["valid"] else f'Expected CNAME for "{record["host"]}" to match "{record["data"]}".'
            results[name] = {"valid": record["valid"], "reason": reason}
        found["valid"] = all(record["valid"] for record in found["dns"].values())
        return Answer(200, {"id": found["id"], "valid": found["valid"], "validation_results": results})


def _errors(message: str) -> Json:
    return {"errors": [{"message": message, "field": None, "help": None}]}
