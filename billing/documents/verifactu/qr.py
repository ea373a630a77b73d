"""The address in an invoice's QR code (Orden HAC/1177/2024, art. 21; AEAT, QR specification 0.5), and its picture."""

from urllib.parse import urlencode

import segno

HOSTS = {"production": "https://www2.agenciatributaria.gob.es", "test": "https://prewww2.aeat.es"}
"""Where the tax agency answers; which of them holds is a setting."""
_VERIFIABLE, _NOT_VERIFIABLE = "/wlpl/TIKE-CONT/ValidarQR", "/wlpl/TIKE-CONT/ValidarQRNoVerifactu"


def qr_url(
    environment: str, *, is_verifiable: bool, issuer_tax_id: str, number: str, issued_on: str, total: str
) -> str:
    """The address to check an invoice at; ``is_verifiable``: its record is transmitted. Texts as in its record."""
    path = _VERIFIABLE if is_verifiable else _NOT_VERIFIABLE
    query = urlencode({"nif": issuer_tax_id, "numserie": number, "fecha": issued_on, "importe": total})
    return f"{HOSTS[environment]}{path}?{query}"


def qr_svg(url: str) -> str:
    """The code as SVG without a size of its own, ISO/IEC 18004 with level M, its quiet zone included."""
    return segno.make(url, error="m", micro=False, boost_error=False).svg_inline(
        border=4, omitsize=True, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
