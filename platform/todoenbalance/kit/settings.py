"""Settings from environment variables with the prefix ``TODOENBALANCE_`` and ``__`` between levels.

Read once at the edge (:func:`get_settings`) and handed on; nothing else reads the environment.
"""

import hashlib
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from todoenbalance.kit.mail_domain_settings import MailDomainSettings
from todoenbalance.kit.operator_mail_settings import OperatorMailSettings
from todoenbalance.kit.text_settings import TextSettings


class Environment(StrEnum):
    """Where the application runs; ``production`` refuses every development convenience."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class PoolSettings(BaseModel):
    """Connection pool of one process.

    The catalogue cache of a PostgreSQL backend grows with every table it has touched and is never
    freed, so connections are recycled by age and by the number of practices they have served.
    """

    size: int = Field(default=15, ge=1)
    overflow: int = Field(default=0, ge=0)
    timeout_seconds: float = Field(default=10, gt=0)
    recycle_seconds: int = Field(default=1800, ge=1)
    connect_seconds: int = Field(default=5, ge=2)
    """How long a new connection may take; libpq rounds less than two up."""
    practices_per_connection: int = Field(default=1000, ge=1)


class PasswordSettings(BaseModel):
    """What a new password must hold against (NIST SP 800-63B, 3.1.1: length and a look-up, no composition rules).

    ``least_score``: of zxcvbn, 0 (guessed at once) to 4 (very hard to guess).
    """

    least_score: int = Field(default=2, ge=0, le=4)


class LockoutSettings(BaseModel):
    """Wrong passwords and codes in a row, by account: after ``free_failures`` each one costs a longer wait."""

    free_failures: int = Field(default=5, ge=1)
    base_seconds: int = Field(default=30, ge=1)
    limit_seconds: int = Field(default=1800, ge=1)
    forget_hours: int = Field(default=24, ge=1)


class RateLimitSettings(BaseModel):
    """Limits of requests by address and account (kit.ratelimit names them).

    ``factor`` multiplies every one of them: many people may sit behind one address.
    """

    enabled: bool = True
    factor: int = Field(default=1, ge=1)


class OAuthProviderSettings(BaseModel):
    """The platform's own registration at a provider of sign-ins; off without an id and a secret.

    ``base``: another server in place of the provider's own (tests, laptops); refused in production.
    """

    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    base: str | None = None

    @property
    def is_set(self) -> bool:
        """Whether the platform itself is registered there."""
        return bool(self.client_id and self.client_secret.get_secret_value())


class GoogleSettings(OAuthProviderSettings):
    """Google, by OpenID Connect."""


class FacebookSettings(OAuthProviderSettings):
    """Facebook Login, by the versioned Graph API."""

    graph_version: str = Field(default="v23.0", pattern=r"^v[0-9]{1,3}\.[0-9]$")


class ExternalCalendarSettings(BaseModel):
    """Calendars that practitioners keep elsewhere, read by the address they give.

    ``allow_private_addresses``: also from our own and other private networks; refused in production.
    """

    allow_private_addresses: bool = False


class PaymentMode(StrEnum):
    """Real money, or a provider's test mode."""

    LIVE = "live"
    TEST = "test"


class StripeSettings(BaseModel):
    """The platform's own account at Stripe, through which practices are connected; off without a key.

    ``client_id``: of the platform's Connect application (``ca_…``), by which a connected account is given back; without
    it a disconnection holds here, and the practice takes access back at Stripe.
    ``webhook_secret``: of the Connect endpoint, which hears of all connected accounts;
    ``platform_webhook_secret``: of the endpoint for the platform's own account. Several secrets, by commas, while
    one is being replaced. ``api_base``: another server in Stripe's place (tests, laptops); refused in production.
    """

    secret_key: SecretStr = SecretStr("")
    publishable_key: str = ""
    client_id: str = ""
    webhook_secret: SecretStr = SecretStr("")
    platform_webhook_secret: SecretStr = SecretStr("")
    api_base: str | None = None

    @property
    def is_set(self) -> bool:
        """Whether practices can be connected here."""
        return bool(self.secret_key.get_secret_value())

    @property
    def mode(self) -> PaymentMode:
        """The mode of the platform's key (Stripe writes it into its keys: ``sk_test_``, ``rk_live_``)."""
        return stripe_mode(self.secret_key.get_secret_value())


class PayPalSettings(BaseModel):
    """PayPal, where every practice has credentials of its own.

    ``api_base``: another server in PayPal's place, certificates of signed webhooks included; refused in production.
    ``asks_about_signatures``: a webhook whose certificate can't be had or judged here is put before PayPal itself.
    """

    api_base: str | None = None
    asks_about_signatures: bool = True


SENDGRID_BASES = ("https://api.sendgrid.com", "https://api.eu.sendgrid.com")
"""SendGrid's own hosts: the global one, and the one that keeps mail of EU subusers in the EU."""


class SendGridSettings(BaseModel):
    """The platform's account at SendGrid, for the mail adapter ``sendgrid``.

    ``api_base``: SendGrid's host in the EU, or another server in its place (tests, laptops; refused in production).
    ``webhook_key``: the public key of its event webhook, base64 as SendGrid shows it; several, by commas, while one is
    being replaced. Without one no event is believed.
    ``domains_api_key``: a second key, which may authenticate domains and send nothing. Without one practices can't send
    from addresses of their own.
    """

    api_key: SecretStr = SecretStr("")
    api_base: str | None = None
    webhook_key: str = ""
    domains_api_key: SecretStr = SecretStr("")

    @field_validator("api_key", "domains_api_key")
    @classmethod
    def _strip(cls, value: SecretStr) -> SecretStr:
        return SecretStr(value.get_secret_value().strip())  # a secret from a file ends in a line break

    @property
    def base(self) -> str:
        """Where its API is, without a slash at the end."""
        return (self.api_base or SENDGRID_BASES[0]).rstrip("/")


def stripe_mode(key: str) -> PaymentMode:
    """The mode that a key of Stripe's works in."""
    return PaymentMode.LIVE if "_live_" in key[:9] else PaymentMode.TEST


class ProviderSettings(BaseModel):
    """Everything outside that the product talks to.

    ``allow_test_mode``: practices may be paid in a provider's test mode. Default: outside production only.
    """

    stripe: StripeSettings = StripeSettings()
    paypal: PayPalSettings = PayPalSettings()
    allow_test_mode: bool | None = None
    google: GoogleSettings = GoogleSettings()
    facebook: FacebookSettings = FacebookSettings()
    external_calendars: ExternalCalendarSettings = ExternalCalendarSettings()
    sendgrid: SendGridSettings = SendGridSettings()


class AuthSettings(BaseModel):
    """Lifetimes of sign-ins; staff and operators have the shorter ones.

    ``idle``: unused for so long, a sign-in ends; the plain figure is the absolute limit. ``fresh_minutes``: how
    long after proving who one is sensitive acts (money, credentials, staff, export, erasure) are allowed.
    """

    access_token_minutes: int = Field(default=15, ge=1)
    client_session_days: int = Field(default=90, ge=1)
    client_idle_days: int = Field(default=30, ge=1)
    staff_session_hours: int = Field(default=12, ge=1)
    staff_idle_minutes: int = Field(default=120, ge=5)
    operator_session_hours: int = Field(default=8, ge=1)
    operator_idle_minutes: int = Field(default=60, ge=5)
    fresh_minutes: int = Field(default=15, ge=1)
    invitation_days: int = Field(default=7, ge=1)
    operator_second_factor: bool | None = Field(
        default=None, description="compulsory for operators; default: in production. It can't be off there."
    )
    passwords: PasswordSettings = PasswordSettings()
    lockout: LockoutSettings = LockoutSettings()


class OutboxSettings(BaseModel):
    """How the event queue hands over, retries and gives up."""

    relay_interval_seconds: float = Field(default=1.0, gt=0)
    in_flight: int = Field(
        default=100, ge=1, description="so many rows wait at Celery at most; a few for each worker process are enough"
    )
    lease_seconds: int = Field(default=60, ge=1, description="a row handed to Celery is due again after this")
    max_attempts: int = Field(default=10, ge=1)
    backoff_base_seconds: float = Field(default=2.0, gt=0)
    backoff_limit_seconds: float = Field(default=3600.0, gt=0)


class SandboxSettings(BaseModel):
    """The pretend payment provider, for laptops and tests; refused in production."""

    enabled: bool = True
    webhook_base_url: str | None = Field(
        default=None, description="where its webhooks reach the platform's host; default: the public address"
    )


class PlatformFeeSettings(BaseModel):
    """How the platform is paid by practices. ``grace_days``: so long a debt has no consequences but reminders."""

    grace_days: int = Field(default=14, ge=0, le=365)


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is kept from listeners. ``none`` is refused in production."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class SmtpSettings(BaseModel):
    """A mail server, for the mail adapter ``smtp``. ``port``: default by ``security`` (587, 465, 25).

    ``timeout_seconds``: for a whole mail, from connecting to the server's last word.
    """

    host: str = ""
    port: int | None = Field(default=None, ge=1, le=65535)
    username: str = ""
    password: SecretStr = SecretStr("")
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    timeout_seconds: float = Field(default=30.0, gt=0, le=50, description="less than a lease of the queue's")

    @property
    def effective_port(self) -> int:
        """The port, where none is set the usual one."""
        usual = {SmtpSecurity.STARTTLS: 587, SmtpSecurity.TLS: 465, SmtpSecurity.NONE: 25}
        return self.port or usual[self.security]


class MailSettings(BaseModel):
    """Which adapter carries mail, and the platform's own sender."""

    adapter: str = Field(default="mailbox", pattern="^(mailbox|sendgrid|smtp)$")
    smtp: SmtpSettings = SmtpSettings()
    domains: MailDomainSettings = MailDomainSettings()
    sender_address: str = "no-reply@todoenbalance.example"
    sender_name: str = "TODOenBALANCE"


class DocumentSettings(BaseModel):
    """Receipts and invoices. ``transmission``: the adapter that sends records to the tax agency; ``off``: none.

    ``tax_agency``: whose addresses the QR codes carry; its test system does not know real invoices.
    """

    transmission: str = Field(default="off", pattern=r"^[a-z_]{1,30}$")
    tax_agency: str = Field(default="", pattern=r"^(production|test|)$", description="default: as the environment is")
    render_seconds: float = Field(default=10.0, gt=0, description="a PDF that takes longer is given up")


class Settings(BaseSettings):
    """Everything the deployment can set. Secrets have no default; start-up fails with what is missing."""

    model_config = SettingsConfigDict(
        env_prefix="TODOENBALANCE_", env_nested_delimiter="__", extra="ignore", frozen=True
    )

    environment: Environment = Environment.PRODUCTION
    base_domain: str = "localhost"
    public_scheme: str = Field(default="", description="http or https; empty: https in production, else http")
    public_port: int | None = Field(default=None, description="shown in links when it is not the scheme's own")
    database_url: SecretStr
    database_admin_url: SecretStr | None = Field(
        default=None, description="a superuser's, for the parts of `migrate` that the login role may not do"
    )
    database_listen_url: SecretStr | None = Field(
        default=None, description="past PgBouncer, for LISTEN; default: database_url"
    )
    redis_url: SecretStr
    secret_keys: SecretStr = Field(
        description="comma-separated `kid:secret`; the first signs, all verify (rotation without signing anyone out)"
    )
    data_dir: Path = Path(".data")
    log_level: str = "INFO"
    log_json: bool = False
    metrics_token: SecretStr | None = None
    hold_minutes: int = Field(default=15, ge=1, le=1440, description="a practice's default for unpaid bookings")
    tenant_cache_seconds: float = Field(
        default=600.0, ge=0, description="changes are announced (NOTIFY), so this is only the last resort"
    )
    pool: PoolSettings = PoolSettings()
    auth: AuthSettings = AuthSettings()
    rate_limits: RateLimitSettings = RateLimitSettings()
    providers: ProviderSettings = ProviderSettings()
    outbox: OutboxSettings = OutboxSettings()
    sandbox: SandboxSettings = SandboxSettings()
    mail: MailSettings = MailSettings()
    operator_mails: OperatorMailSettings = OperatorMailSettings()
    texts: TextSettings = TextSettings()
    platform_fees: PlatformFeeSettings = PlatformFeeSettings()
    documents: DocumentSettings = DocumentSettings()

    @field_validator("base_domain")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.strip().strip(".").lower()

    @model_validator(mode="after")
    def _refuse_development_in_production(self) -> Self:
        keys = self.signing_keys
        if not keys:
            raise ValueError("secret_keys: at least one `kid:secret` is needed")
        if self.environment is Environment.PRODUCTION:
            weak = [kid for kid, secret in keys.items() if is_weak_secret(secret)]
            if weak:
                raise ValueError(f"secret_keys: too weak for production (32 random characters): {', '.join(weak)}")
            if self.auth.operator_second_factor is False:
                raise ValueError("auth.operator_second_factor: compulsory in production")
            if not self.rate_limits.enabled:
                raise ValueError("rate_limits.enabled: rate limits are compulsory in production")
            for name, provider in (("google", self.providers.google), ("facebook", self.providers.facebook)):
                if provider.base:
                    raise ValueError(f"providers.{name}.base: no other server in a provider's place in production")
            for name, base in (
                ("stripe.api_base", self.providers.stripe.api_base),
                ("paypal.api_base", self.providers.paypal.api_base),
            ):
                if base:
                    raise ValueError(f"providers.{name}: no other server in a provider's place in production")
            if self.providers.external_calendars.allow_private_addresses:
                raise ValueError("providers.external_calendars.allow_private_addresses: refused in production")
            if self.sandbox.enabled:
                raise ValueError("sandbox.enabled: the sandbox provider is refused in production")
            if self.mail.adapter == "mailbox":
                raise ValueError("mail.adapter: the development mailbox is refused in production")
            if self.mail.sender_address.rpartition(".")[2] == "example":  # RFC 2606: nobody's, ever
                raise ValueError("mail.sender_address: the default is nobody's, and refused in production")
            if self.providers.sendgrid.base not in SENDGRID_BASES:
                raise ValueError("providers.sendgrid.api_base: no other server in a provider's place in production")
            if self.mail.adapter == "smtp" and self.mail.smtp.security is SmtpSecurity.NONE:
                raise ValueError("mail.smtp.security: mail in the clear is refused in production")
        return self

    @model_validator(mode="after")
    def _refuse_half_a_mail_adapter(self) -> Self:
        if self.mail.adapter == "sendgrid":
            key = self.providers.sendgrid.api_key.get_secret_value()
            if not key:
                raise ValueError("providers.sendgrid.api_key: needed where mail.adapter is sendgrid")
            for name in ("api_key", "domains_api_key"):
                given = getattr(self.providers.sendgrid, name).get_secret_value()
                if not given.isascii() or (given and not given.isprintable()) or " " in given:
                    raise ValueError(
                        f"providers.sendgrid.{name}: not a key (spaces, line breaks, other odd characters)"
                    )
        if self.mail.adapter == "smtp":
            if not self.mail.smtp.host:
                raise ValueError("mail.smtp.host: needed where mail.adapter is smtp")
            if bool(self.mail.smtp.username) != bool(self.mail.smtp.password.get_secret_value()):
                raise ValueError("mail.smtp: a username and a password go together")
        return self

    @model_validator(mode="after")
    def _refuse_half_a_text_adapter(self) -> Self:
        has_mailbox = self.mail.adapter == "mailbox"
        problem = self.texts.find_problem(is_production=self.is_production, has_mailbox=has_mailbox)
        if problem is not None:
            raise ValueError(f"texts.{problem}")
        return self

    @property
    def is_production(self) -> bool:
        """Whether development conveniences are refused."""
        return self.environment is Environment.PRODUCTION

    @property
    def has_sandbox(self) -> bool:
        """Whether the pretend payment provider may be used here at all."""
        return self.sandbox.enabled and not self.is_production

    def allows_mode(self, mode: str) -> bool:
        """Whether an account of this mode may take payments here: no pretend money in production."""
        chosen = self.providers.allow_test_mode
        return mode == PaymentMode.LIVE or (not self.is_production if chosen is None else chosen)

    @property
    def tax_agency(self) -> str:
        """``production`` or ``test``: which of the tax agency's systems QR codes lead to."""
        return self.documents.tax_agency or ("production" if self.is_production else "test")

    @property
    def operators_need_second_factor(self) -> bool:
        """Whether an operator without a second factor gets no further than setting one up."""
        chosen = self.auth.operator_second_factor
        return self.is_production if chosen is None else chosen

    @property
    def signing_keys(self) -> dict[str, str]:
        """Secrets by key id, the signing one first. A secret without a name is named by its digest."""
        keys: dict[str, str] = {}
        for part in self.secret_keys.get_secret_value().split(","):
            item = part.strip()
            if not item:
                continue
            kid, _, secret = item.rpartition(":")
            keys[kid or hashlib.sha256(secret.encode()).hexdigest()[:8]] = secret
        return keys

    @property
    def scheme(self) -> str:
        """The scheme of the addresses we hand out."""
        return self.public_scheme or ("https" if self.is_production else "http")

    def url_for_host(self, hostname: str, path: str = "/") -> str:
        """The public address of ``path`` on ``hostname``, with the port only where it must be shown."""
        default = 443 if self.scheme == "https" else 80
        port = "" if self.public_port in (None, default) else f":{self.public_port}"
        return f"{self.scheme}://{hostname}{port}{path}"

    def practice_url(self, slug: str, path: str = "/") -> str:
        """The public address of ``path`` on a practice's own subdomain."""
        return self.url_for_host(f"{slug}.{self.base_domain}", path)

    def platform_url(self, path: str = "/") -> str:
        """The public address of ``path`` on the platform's host."""
        return self.url_for_host(self.base_domain, path)


_PLACEHOLDERS = ("changeme", "change-me", "change_me", "secret", "example", "default", "password", "todoenbalance")


def is_weak_secret(secret: str) -> bool:
    """Whether a signing secret is too short, too uniform or a placeholder (RFC 7518, 3.2: 256 bits for HS256)."""
    named = any(word in secret.lower() for word in _PLACEHOLDERS)
    return len(secret) < 32 or len(set(secret)) < 10 or named


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The process's settings, read once.

    Raises ``pydantic.ValidationError`` that lists what is missing or wrong.
    """
    return Settings()
