"""The kinds of mails to operators. What they are is said in ``notifications/catalogue.py``."""

from typing import Final

from todoenbalance.kit.security.multi_factor import FactorNews

OPERATOR_NEW_DEVICE: Final = "operator_new_device"
OPERATOR_LOCKED_OUT: Final = "operator_locked_out"
OPERATOR_PASSWORD_CHANGED: Final = "operator_password_changed"  # noqa: S105 - the name of a mail
OPERATOR_PASSWORD_RESET: Final = "operator_password_reset"  # noqa: S105 - the name of a mail
OPERATOR_CREATED: Final = "operator_created"
OPERATOR_DISABLED: Final = "operator_disabled"
OPERATOR_NEWS: Final = "operator_news"
OPERATOR_ALARM: Final = "operator_alarm"
FACTOR_KINDS: Final = {
    FactorNews.ADDED: "operator_second_factor_added",
    FactorNews.REMOVED: "operator_second_factor_removed",
    FactorNews.RESET: "operator_second_factor_reset",
    FactorNews.RECOVERY_CODE_USED: "operator_recovery_code_used",
}
