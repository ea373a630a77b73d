"""Passkeys (WebAuthn level 3, by py_webauthn): made and used on one host, by someone who unlocks them.

User verification is required, so a passkey is something one has and something one is or knows. Attestation is
not: which make of key people use is their own affair.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    options_to_json_dict,
    parse_authentication_credential_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.security.factor_errors import (
    InvalidSecondFactorError,
    PasskeyKnownError,
    PasskeyRefusedError,
    TooManyPasskeysError,
)
from todoenbalance.kit.security.factors import PasskeyColumns
from todoenbalance.kit.security.links import OneTimeTokenColumns
from todoenbalance.kit.security.owners import FactorOwner, RelyingParty
from todoenbalance.kit.security.tokens import hash_opaque_token, new_opaque_token

REGISTRATION = "passkey_registration"
ASSERTION = "passkey_assertion"
CHALLENGE_LIFETIME = timedelta(minutes=5)
MOST = 20
_MILLISECONDS = 1000
_LONGEST_ID = 1023
"""Bytes of a credential's id (WebAuthn level 3, 5.1)."""
# py_webauthn parses what a stranger sent; some malformed input gets past its own exceptions.
_MALFORMED = (
    WebAuthnException,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)

PasskeyRow = TypeVar("PasskeyRow", bound=PasskeyColumns)
Answer = Mapping[str, Any]
"""What ``navigator.credentials`` answered, as ``PublicKeyCredential.toJSON`` writes it."""


@dataclass(frozen=True, slots=True)
class ChallengeTable:
    """Where challenges are kept, and what each row of that table says besides (the kind of account)."""

    model: type[OneTimeTokenColumns]
    values: Mapping[str, str]


class Passkeys(Generic[PasskeyRow]):
    """One account's passkeys on one host. Whatever changes something happens under the account's row lock."""

    def __init__(
        self,
        session: AsyncSession,
        model: type[PasskeyRow],
        challenges: ChallengeTable,
        owner: FactorOwner,
        party: RelyingParty,
    ) -> None:
        self._session = session
        self._model = model
        self._challenges = challenges
        self._owner = owner
        self._party = party

    async def list_all(self) -> list[PasskeyRow]:
        """The account's passkeys, in the order they were made."""
        statement = select(self._model).where(self._model.account_id == self._owner.account_id).order_by(self._model.id)
        return list((await self._session.scalars(statement, execution_options={"populate_existing": True})).all())

    async def registration_options(self) -> dict[str, Any]:
        """What ``navigator.credentials.create`` needs (``publicKey``). Raises :class:`TooManyPasskeysError`."""
        known = await self.list_all()
        if len(known) >= MOST:
            raise TooManyPasskeysError(limit=MOST)
        options = generate_registration_options(
            rp_id=self._party.id,
            rp_name=self._party.name,
            user_id=self._owner.account_id.bytes,
            user_name=self._owner.email,
            user_display_name=self._owner.display_name,
            challenge=await self._new_challenge(REGISTRATION),
            timeout=int(CHALLENGE_LIFETIME.total_seconds()) * _MILLISECONDS,
            exclude_credentials=[self._describe(row) for row in known],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
        )
        return options_to_json_dict(options)

    async def register(self, answer: Answer, name: str) -> PasskeyRow:
        """Keep the passkey that was made. Raises :class:`PasskeyRefusedError`, :class:`PasskeyKnownError`."""
        try:
            parsed = parse_registration_credential_json(dict(answer))
            challenge = await self._spend_challenge(REGISTRATION, parsed.response.client_data_json)
            verified = self._check_registration(answer, challenge)
        except _MALFORMED as malformed:
            raise PasskeyRefusedError from malformed
        known = await self.list_all()
        if any(row.credential_id == verified.credential_id for row in known):
            raise PasskeyKnownError
        if len(known) >= MOST:
            raise TooManyPasskeysError(limit=MOST)
        transports = parsed.response.transports or []
        values: dict[str, Any] = {
            "id": new_id(),
            "account_id": self._owner.account_id,
            "credential_id": verified.credential_id,
            "public_key": verified.credential_public_key,
            "sign_count": verified.sign_count,
            "name": name,
            "transports": ",".join(transport.value for transport in transports),
            "is_backed_up": verified.credential_backed_up,
            "created_at": clock.now(),
        }
        row = self._model(**values)
        try:
            async with self._session.begin_nested():
                self._session.add(row)
        except IntegrityError as taken:  # somebody else's
            raise PasskeyKnownError from taken
        return row

    def _check_registration(self, answer: Answer, challenge: bytes) -> VerifiedRegistration:
        verified = verify_registration_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=self._party.id,
            expected_origin=self._party.origin,
            require_user_verification=True,
        )
        # Asked for none; an authenticator that vouches for itself may (7.1, 21). Other statements bring
        # certificates of anybody's making, which nobody here has a use for.
        if verified.fmt not in (AttestationFormat.NONE, AttestationFormat.PACKED):
            raise PasskeyRefusedError
        if len(verified.credential_id) > _LONGEST_ID:
            raise PasskeyRefusedError
        return verified

    async def assertion_options(self) -> dict[str, Any]:
        """What ``navigator.credentials.get`` needs (``publicKey``)."""
        options = generate_authentication_options(
            rp_id=self._party.id,
            challenge=await self._new_challenge(ASSERTION),
            timeout=int(CHALLENGE_LIFETIME.total_seconds()) * _MILLISECONDS,
            allow_credentials=[self._describe(row) for row in await self.list_all()],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)

    async def verify(self, answer: Answer) -> PasskeyRow:
        """The passkey that signed the challenge. Raises :class:`InvalidSecondFactorError`.

        A counter that does not go up is refused: the key may have been copied (WebAuthn, 6.1.1).
        """
        try:
            parsed = parse_authentication_credential_json(dict(answer))
            challenge = await self._spend_challenge(ASSERTION, parsed.response.client_data_json)
            row = next((row for row in await self.list_all() if row.credential_id == parsed.raw_id), None)
            if row is None:
                raise InvalidSecondFactorError
            verified = self._check_assertion(answer, challenge, row)
        except _MALFORMED as malformed:
            raise InvalidSecondFactorError from malformed
        row.sign_count = verified.new_sign_count
        row.is_backed_up = verified.credential_backed_up
        row.last_used_at = clock.now()
        return row

    def _check_assertion(self, answer: Answer, challenge: bytes, row: PasskeyRow) -> VerifiedAuthentication:
        return verify_authentication_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=self._party.id,
            expected_origin=self._party.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )

    async def get(self, passkey_id: UUID) -> PasskeyRow:
        """One of the account's own. Raises :class:`NotFoundError`."""
        row = await self._session.get(self._model, passkey_id)
        if row is None or row.account_id != self._owner.account_id:
            raise NotFoundError
        return row

    async def remove(self, passkey_id: UUID) -> None:
        """Forget one. Raises :class:`NotFoundError`."""
        row = await self.get(passkey_id)
        await self._session.delete(row)

    async def remove_all(self) -> None:
        """Forget all of them."""
        await self._session.execute(delete(self._model).where(self._model.account_id == self._owner.account_id))

    def _describe(self, row: PasskeyRow) -> PublicKeyCredentialDescriptor:
        transports = [AuthenticatorTransport(one) for one in row.transports.split(",") if one]
        return PublicKeyCredentialDescriptor(id=row.credential_id, transports=transports or None)

    async def _new_challenge(self, purpose: str) -> bytes:
        """32 random bytes, of which the digest is kept; those that are too old to be answered are thrown away."""
        text, now = new_opaque_token(), clock.now()
        model = self._challenges.model
        mine = (model.account_id == self._owner.account_id, model.purpose == purpose)
        await self._session.execute(delete(model).where(*mine, model.expires_at <= now))
        values: dict[str, Any] = {
            **self._challenges.values,
            "id": new_id(),
            "purpose": purpose,
            "account_id": self._owner.account_id,
            "token_hash": hash_opaque_token(text),
            "created_at": now,
            "expires_at": now + CHALLENGE_LIFETIME,
        }
        self._session.add(model(**values))
        return base64url_to_bytes(text)

    async def _spend_challenge(self, purpose: str, client_data_json: bytes) -> bytes:
        """The challenge that was answered, if it is one of ours for this account. Raises ``ValueError``."""
        challenge = base64url_to_bytes(str(json.loads(client_data_json)["challenge"]))
        model, now = self._challenges.model, clock.now()
        statement = (
            select(model)
            .where(
                model.token_hash == hash_opaque_token(bytes_to_base64url(challenge)),
                model.purpose == purpose,
                model.account_id == self._owner.account_id,
                model.used_at.is_(None),
                model.expires_at > now,
            )
            .with_for_update()
        )
        row = (await self._session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()
        if row is None:
            raise ValueError("not a challenge of ours")
        row.used_at = now
        return challenge
