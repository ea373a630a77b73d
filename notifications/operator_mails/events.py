"""Events of mails to operators; payloads carry ids only. They belong to no practice."""

OPERATOR_MAIL_SEND = "operator_mail.send"
"""``{kind, subject_id, version, operator_id}``"""
