"""The sentence that a client agrees to when a card is kept.

Charges while the customer is away need their agreement beforehand, which says for what and how it ends (Visa and
Mastercard, rules for merchant-initiated transactions; Stripe, "Save a customer's payment method": tell them how it
will be used). What was agreed to is kept word by word.
"""

from notifications.formats import language_of

_SENTENCES = {
    "en": "{practice} may have this card kept and charge it, if I don't come to an appointment, with the fee that was "
    "shown to me when I booked it. I can remove the card whenever I like.",
    "es": "{practice} puede hacer que se guarde esta tarjeta y, si no acudo a una cita, cobrar en ella el cargo que se "
    "me mostró al reservarla. Puedo eliminar la tarjeta cuando quiera.",
}


def consent_sentence(practice: str, locale: str) -> str:
    """What is agreed to, in the reader's language. ``practice``: its name as its clients know it."""
    return _SENTENCES[language_of(locale)].format(practice=practice[:200])
