"""Who may call what: the one table that every route of the OpenAPI documents is held against.

``anyone``: no sign-in is asked for; what is to be protected wants a proof of its own in the body (a password, a
mailed token). ``client``. ``staff``: every role, or the roles by their letters: Owner, Manager, Practitioner,
Reception (a practitioner besides changes their own calendar, once they have one). ``operator``. Everybody else is
answered 401, and staff of another role 403. ``fresh``: only shortly after proving who one is, 403
``fresh_sign_in_required`` later.
"""

TABLE = """
POST   /api/v1/admin/appointment-series                                            OMR
POST   /api/v1/admin/appointment-series/preview                                    OMR
GET    /api/v1/admin/appointment-series/{series_id}                                staff
POST   /api/v1/admin/appointment-series/{series_id}/cancel                         OMR
GET    /api/v1/admin/appointments                                                  staff
POST   /api/v1/admin/appointments                                                  OMR
GET    /api/v1/admin/appointments/{appointment_id}                                 staff
PATCH  /api/v1/admin/appointments/{appointment_id}                                 OMR
POST   /api/v1/admin/appointments/{appointment_id}/approve                         OMR
POST   /api/v1/admin/appointments/{appointment_id}/cancel                          OMR
GET    /api/v1/admin/appointments/{appointment_id}/cancellation-quote              staff
POST   /api/v1/admin/appointments/{appointment_id}/confirm                         OMR
POST   /api/v1/admin/appointments/{appointment_id}/decline                         OMR
GET    /api/v1/admin/appointments/{appointment_id}/history                         staff
POST   /api/v1/admin/appointments/{appointment_id}/receipt                         OMR
POST   /api/v1/admin/appointments/{appointment_id}/reschedule                      OMR
POST   /api/v1/admin/appointments/{appointment_id}/use-package                     OMR
POST   /api/v1/admin/appointments/{appointment_id}/waive-no-show-fee               OM
GET    /api/v1/admin/audit                                                         O
POST   /api/v1/admin/auth/accept-invitation                                        anyone
POST   /api/v1/admin/auth/email                                                    staff fresh
POST   /api/v1/admin/auth/email/cancel                                             anyone
POST   /api/v1/admin/auth/email/confirm                                            anyone
POST   /api/v1/admin/auth/login                                                    anyone
POST   /api/v1/admin/auth/logout                                                   anyone
GET    /api/v1/admin/auth/mail-preferences                                         staff
PUT    /api/v1/admin/auth/mail-preferences                                         staff
GET    /api/v1/admin/auth/me                                                       staff
GET    /api/v1/admin/auth/mfa                                                      staff
POST   /api/v1/admin/auth/mfa                                                      anyone
POST   /api/v1/admin/auth/mfa/activate                                             staff fresh
POST   /api/v1/admin/auth/mfa/enrol                                                staff fresh
POST   /api/v1/admin/auth/mfa/passkey                                              anyone
POST   /api/v1/admin/auth/mfa/passkey/options                                      anyone
POST   /api/v1/admin/auth/mfa/passkeys                                             staff fresh
POST   /api/v1/admin/auth/mfa/passkeys/options                                     staff fresh
PATCH  /api/v1/admin/auth/mfa/passkeys/{passkey_id}                                staff
DELETE /api/v1/admin/auth/mfa/passkeys/{passkey_id}                                staff fresh
POST   /api/v1/admin/auth/mfa/recovery-codes                                       staff fresh
DELETE /api/v1/admin/auth/mfa/totp                                                 staff fresh
POST   /api/v1/admin/auth/password                                                 staff
POST   /api/v1/admin/auth/password/forgot                                          anyone
POST   /api/v1/admin/auth/password/reset                                           anyone
POST   /api/v1/admin/auth/refresh                                                  anyone
GET    /api/v1/admin/auth/sessions                                                 staff
POST   /api/v1/admin/auth/sessions/end-others                                      staff
DELETE /api/v1/admin/auth/sessions/{session_id}                                    staff
POST   /api/v1/admin/auth/sudo                                                     staff
POST   /api/v1/admin/auth/sudo/passkey/options                                     staff
GET    /api/v1/admin/blocked-time-slots                                            staff
POST   /api/v1/admin/blocked-time-slots                                            OMR
GET    /api/v1/admin/blocked-time-slots/{slot_id}                                  staff
PATCH  /api/v1/admin/blocked-time-slots/{slot_id}                                  OMR
DELETE /api/v1/admin/blocked-time-slots/{slot_id}                                  OMR
GET    /api/v1/admin/clients                                                       staff
GET    /api/v1/admin/clients/{client_id}                                           staff
DELETE /api/v1/admin/clients/{client_id}                                           O fresh
GET    /api/v1/admin/clients/{client_id}/billing-profile                           OMR
PUT    /api/v1/admin/clients/{client_id}/billing-profile                           OMR
GET    /api/v1/admin/clients/{client_id}/dependants                                staff
GET    /api/v1/admin/clients/{client_id}/erasure                                   O
GET    /api/v1/admin/clients/{client_id}/export                                    O fresh
GET    /api/v1/admin/clients/{client_id}/mail-preferences                          OMR
PUT    /api/v1/admin/clients/{client_id}/mail-preferences                          OMR
GET    /api/v1/admin/clients/{client_id}/text-consents                             OMR
DELETE /api/v1/admin/clients/{client_id}/text-consents/{channel}                   OMR
GET    /api/v1/admin/clients/{client_id}/texts                                     OMR
GET    /api/v1/admin/discounts                                                     OM
POST   /api/v1/admin/discounts                                                     OM
GET    /api/v1/admin/discounts/{code_id}                                           OM
PATCH  /api/v1/admin/discounts/{code_id}                                           OM
GET    /api/v1/admin/discounts/{code_id}/redemptions                               OM
GET    /api/v1/admin/disputes                                                      OMR
GET    /api/v1/admin/documents                                                     OMR
POST   /api/v1/admin/documents                                                     OMR
GET    /api/v1/admin/documents/export                                              OM fresh
GET    /api/v1/admin/documents/issuer                                              O
PUT    /api/v1/admin/documents/issuer                                              O fresh
GET    /api/v1/admin/documents/tax-rates                                           O
PUT    /api/v1/admin/documents/tax-rates                                           O fresh
GET    /api/v1/admin/documents/waiting                                             OMR
GET    /api/v1/admin/documents/{document_id}                                       OMR
GET    /api/v1/admin/documents/{document_id}.html                                  OMR
GET    /api/v1/admin/documents/{document_id}.pdf                                   OMR
POST   /api/v1/admin/documents/{document_id}/full-invoice                          OMR
POST   /api/v1/admin/documents/{document_id}/rectify                               OM fresh
GET    /api/v1/admin/email-logs                                                    OMR
GET    /api/v1/admin/email-logs/{email_log_id}                                     OMR
GET    /api/v1/admin/email-logs/{email_log_id}/body                                OMR
POST   /api/v1/admin/email-logs/{email_log_id}/resend                              OMR
GET    /api/v1/admin/erasures                                                      O
POST   /api/v1/admin/erasures/{erasure_id}/unseal                                  O fresh
GET    /api/v1/admin/external-calendars                                            OMR
POST   /api/v1/admin/external-calendars                                            OMR
GET    /api/v1/admin/external-calendars/{calendar_id}                              OMR
PATCH  /api/v1/admin/external-calendars/{calendar_id}                              OMR
DELETE /api/v1/admin/external-calendars/{calendar_id}                              OMR
POST   /api/v1/admin/external-calendars/{calendar_id}/refresh                      OMR
GET    /api/v1/admin/group-sessions                                                staff
POST   /api/v1/admin/group-sessions                                                OMR
GET    /api/v1/admin/group-sessions/{session_id}                                   staff
PATCH  /api/v1/admin/group-sessions/{session_id}                                   OMR
POST   /api/v1/admin/group-sessions/{session_id}/cancel                            OMR
POST   /api/v1/admin/group-sessions/{session_id}/reschedule                        OMR
GET    /api/v1/admin/holidays                                                      staff
GET    /api/v1/admin/mail-sender                                                   O
PUT    /api/v1/admin/mail-sender                                                   O fresh
POST   /api/v1/admin/mail-sender/check                                             O
GET    /api/v1/admin/mail-suppressions                                             OMR
POST   /api/v1/admin/mail-suppressions/{suppression_id}/lift                       OMR
GET    /api/v1/admin/mail-tasks                                                    OMR
POST   /api/v1/admin/mail-tasks/{task_id}/done                                     OMR
GET    /api/v1/admin/mail-templates                                                O
GET    /api/v1/admin/mail-templates/{kind}/{language}                              O
PUT    /api/v1/admin/mail-templates/{kind}/{language}                              O fresh
DELETE /api/v1/admin/mail-templates/{kind}/{language}                              O fresh
POST   /api/v1/admin/mail-templates/{kind}/{language}/preview                      O
POST   /api/v1/admin/mail-templates/{kind}/{language}/test                         O fresh
GET    /api/v1/admin/payment-accounts                                              O
PUT    /api/v1/admin/payment-accounts/paypal                                       O fresh
POST   /api/v1/admin/payment-accounts/stripe/connect                               O fresh
PUT    /api/v1/admin/payment-accounts/stripe/keys                                  O fresh
POST   /api/v1/admin/payment-accounts/stripe/onboarding-link                       O fresh
DELETE /api/v1/admin/payment-accounts/{provider}                                   O fresh
POST   /api/v1/admin/payment-accounts/{provider}/check                             O fresh
POST   /api/v1/admin/payment-accounts/{provider}/forget                            O fresh
GET    /api/v1/admin/package-purchases                                             OMR
POST   /api/v1/admin/package-purchases                                             OMR
POST   /api/v1/admin/package-purchases/gift                                        OM fresh
GET    /api/v1/admin/package-purchases/{purchase_id}                               OMR
POST   /api/v1/admin/package-purchases/{purchase_id}/adjust                        OM fresh
POST   /api/v1/admin/package-purchases/{purchase_id}/refund                        OM fresh
GET    /api/v1/admin/packages                                                      staff
POST   /api/v1/admin/packages                                                      OM
GET    /api/v1/admin/packages/{package_id}                                         staff
PATCH  /api/v1/admin/packages/{package_id}                                         OM
GET    /api/v1/admin/payments                                                      OMR
GET    /api/v1/admin/payments/{payment_id}                                         OMR
POST   /api/v1/admin/payments/{payment_id}/receipt                                 OMR
POST   /api/v1/admin/payments/{payment_id}/receipt/undo                            OMR fresh
POST   /api/v1/admin/payments/{payment_id}/refund                                  OM fresh
POST   /api/v1/admin/payments/{payment_id}/refunds/{refund_id}/handed-over         OMR fresh
POST   /api/v1/admin/payments/{payment_id}/refunds/{refund_id}/retry               OM fresh
POST   /api/v1/admin/payments/{payment_id}/refunds/{refund_id}/withdraw            OM fresh
GET    /api/v1/admin/practitioners                                                 staff
POST   /api/v1/admin/practitioners                                                 OM
GET    /api/v1/admin/practitioners/{practitioner_id}                               staff
PATCH  /api/v1/admin/practitioners/{practitioner_id}                               OM
DELETE /api/v1/admin/practitioners/{practitioner_id}                               OM
GET    /api/v1/admin/practitioners/{practitioner_id}/calendar-feed                 OMR
POST   /api/v1/admin/practitioners/{practitioner_id}/calendar-feed                 OMR fresh
DELETE /api/v1/admin/practitioners/{practitioner_id}/calendar-feed                 OMR
GET    /api/v1/admin/reconciliation                                                OMR
GET    /api/v1/admin/recurring-blocked-time-slots                                  staff
POST   /api/v1/admin/recurring-blocked-time-slots                                  OMR
GET    /api/v1/admin/recurring-blocked-time-slots/{slot_id}                        staff
PATCH  /api/v1/admin/recurring-blocked-time-slots/{slot_id}                        OMR
DELETE /api/v1/admin/recurring-blocked-time-slots/{slot_id}                        OMR
GET    /api/v1/admin/recurring-time-slots                                          staff
POST   /api/v1/admin/recurring-time-slots                                          OMR
GET    /api/v1/admin/recurring-time-slots/{slot_id}                                staff
PATCH  /api/v1/admin/recurring-time-slots/{slot_id}                                OMR
DELETE /api/v1/admin/recurring-time-slots/{slot_id}                                OMR
GET    /api/v1/admin/refunds/to-hand-over                                          OMR
GET    /api/v1/admin/services                                                      staff
POST   /api/v1/admin/services                                                      OM
GET    /api/v1/admin/services/{service_id}                                         staff
PATCH  /api/v1/admin/services/{service_id}                                         OM
DELETE /api/v1/admin/services/{service_id}                                         OM
GET    /api/v1/admin/settings                                                      staff
PATCH  /api/v1/admin/settings                                                      O fresh
GET    /api/v1/admin/settings/texts                                                staff
PUT    /api/v1/admin/settings/texts                                                O fresh
GET    /api/v1/admin/sign-in-providers                                             O
PUT    /api/v1/admin/sign-in-providers/{provider}                                  O fresh
DELETE /api/v1/admin/sign-in-providers/{provider}                                  O fresh
GET    /api/v1/admin/staff                                                         O
POST   /api/v1/admin/staff                                                         O fresh
GET    /api/v1/admin/staff/{staff_id}                                              O
PATCH  /api/v1/admin/staff/{staff_id}                                              O fresh
POST   /api/v1/admin/staff/{staff_id}/invitation                                   O fresh
DELETE /api/v1/admin/staff/{staff_id}/second-factors                               O fresh
GET    /api/v1/admin/subscription                                                  O
POST   /api/v1/admin/subscription/plan                                             O fresh
POST   /api/v1/admin/subscription/portal                                           O fresh
GET    /api/v1/admin/subscription/statements/{statement_id}/lines.csv              O
GET    /api/v1/admin/time-slots                                                    staff
POST   /api/v1/admin/time-slots                                                    OMR
GET    /api/v1/admin/time-slots/{slot_id}                                          staff
PATCH  /api/v1/admin/time-slots/{slot_id}                                          OMR
DELETE /api/v1/admin/time-slots/{slot_id}                                          OMR
GET    /api/v1/admin/waitlist                                                      staff
POST   /api/v1/admin/waitlist                                                      OMR
DELETE /api/v1/admin/waitlist/{entry_id}                                           OMR
POST   /api/v1/appointment-series                                                  client
POST   /api/v1/appointment-series/preview                                          client
GET    /api/v1/appointment-series/{series_id}                                      client
POST   /api/v1/appointment-series/{series_id}/cancel                               client
GET    /api/v1/appointments                                                        client
POST   /api/v1/appointments                                                        client
GET    /api/v1/appointments/{appointment_id}                                       client
GET    /api/v1/appointments/{appointment_id}/calendar.ics                          client
POST   /api/v1/appointments/{appointment_id}/cancel                                client
GET    /api/v1/appointments/{appointment_id}/cancellation-quote                    client
GET    /api/v1/appointments/{appointment_id}/history                               client
POST   /api/v1/appointments/{appointment_id}/reschedule                            client
POST   /api/v1/appointments/{appointment_id}/use-package                           client
POST   /api/v1/auth/email/cancel                                                   anyone
POST   /api/v1/auth/email/confirm                                                  anyone
POST   /api/v1/auth/login                                                          anyone
POST   /api/v1/auth/logout                                                         anyone
POST   /api/v1/auth/magic-link                                                     anyone
POST   /api/v1/auth/magic-link/request                                             anyone
POST   /api/v1/auth/oauth/email                                                    anyone
POST   /api/v1/auth/oauth/email/confirm                                            anyone
POST   /api/v1/auth/oauth/exchange                                                 anyone
GET    /api/v1/auth/oauth/providers                                                anyone
GET    /api/v1/auth/oauth/{provider}/authorize                                     anyone
POST   /api/v1/auth/password/forgot                                                anyone
POST   /api/v1/auth/password/reset                                                 anyone
POST   /api/v1/auth/refresh                                                        anyone
POST   /api/v1/auth/register                                                       anyone
POST   /api/v1/auth/sudo                                                           client
POST   /api/v1/auth/verify-email                                                   anyone
POST   /api/v1/auth/verify-email/request                                           anyone
GET    /api/v1/documents                                                           client
GET    /api/v1/documents/{document_id}                                             client
GET    /api/v1/documents/{document_id}.html                                        client
GET    /api/v1/documents/{document_id}.pdf                                         client
POST   /api/v1/documents/{document_id}/full-invoice                                client
GET    /api/v1/package-purchases                                                   client
GET    /api/v1/package-purchases/{purchase_id}                                     client
GET    /api/v1/packages                                                            anyone
GET    /api/v1/packages/{package_id}                                               anyone
POST   /api/v1/packages/{package_id}/buy                                           client
POST   /api/v1/payments                                                            client
GET    /api/v1/payments/{payment_id}                                               client
POST   /api/v1/payments/{payment_id}/confirm                                       client
GET    /api/v1/platform/audit                                                      operator
POST   /api/v1/platform/auth/login                                                 anyone
POST   /api/v1/platform/auth/logout                                                anyone
GET    /api/v1/platform/auth/mfa                                                   operator
GET    /api/v1/platform/auth/mail-preferences                                      operator
PUT    /api/v1/platform/auth/mail-preferences                                      operator
POST   /api/v1/platform/auth/mfa                                                   anyone
POST   /api/v1/platform/auth/mfa/activate                                          operator fresh
POST   /api/v1/platform/auth/mfa/enrol                                             operator fresh
POST   /api/v1/platform/auth/mfa/passkey                                           anyone
POST   /api/v1/platform/auth/mfa/passkey/options                                   anyone
POST   /api/v1/platform/auth/mfa/passkeys                                          operator fresh
POST   /api/v1/platform/auth/mfa/passkeys/options                                  operator fresh
PATCH  /api/v1/platform/auth/mfa/passkeys/{passkey_id}                             operator
DELETE /api/v1/platform/auth/mfa/passkeys/{passkey_id}                             operator fresh
POST   /api/v1/platform/auth/mfa/recovery-codes                                    operator fresh
DELETE /api/v1/platform/auth/mfa/totp                                              operator fresh
POST   /api/v1/platform/auth/password                                              operator
POST   /api/v1/platform/auth/refresh                                               anyone
GET    /api/v1/platform/auth/sessions                                              operator
POST   /api/v1/platform/auth/sessions/end-others                                   operator
DELETE /api/v1/platform/auth/sessions/{session_id}                                 operator
POST   /api/v1/platform/auth/sudo                                                  operator
POST   /api/v1/platform/auth/sudo/passkey/options                                  operator
GET    /api/v1/platform/fee-statements                                             operator
POST   /api/v1/platform/fee-statements/{statement_id}/invoice                      operator fresh
GET    /api/v1/platform/fee-statements/{statement_id}/lines.csv                    operator
POST   /api/v1/platform/fee-statements/{statement_id}/settle                       operator fresh
GET    /api/v1/platform/migrations                                                 operator
GET    /api/v1/platform/parked-events                                              operator
POST   /api/v1/platform/parked-events/{parked_id}/assign                           operator fresh
POST   /api/v1/platform/parked-events/{parked_id}/ignore                           operator fresh
GET    /api/v1/platform/plans                                                      operator
POST   /api/v1/platform/plans                                                      operator fresh
GET    /api/v1/platform/plans/{code}                                               operator
PATCH  /api/v1/platform/plans/{code}                                               operator fresh
GET    /api/v1/platform/provider-events                                            operator
GET    /api/v1/platform/tenants                                                    operator
POST   /api/v1/platform/tenants                                                    operator fresh
GET    /api/v1/platform/tenants/{tenant_id}                                        operator
PATCH  /api/v1/platform/tenants/{tenant_id}                                        operator fresh
GET    /api/v1/platform/tenants/{tenant_id}/payment-accounts                       operator
GET    /api/v1/platform/tenants/{tenant_id}/provider-events                        operator
POST   /api/v1/platform/tenants/{tenant_id}/provider-events/{event_id}/ignore      operator fresh
POST   /api/v1/platform/tenants/{tenant_id}/provider-events/{event_id}/replay      operator fresh
POST   /api/v1/platform/tenants/{tenant_id}/reactivate                             operator fresh
GET    /api/v1/platform/tenants/{tenant_id}/subscription                           operator
POST   /api/v1/platform/tenants/{tenant_id}/subscription/checkout                  operator fresh
POST   /api/v1/platform/tenants/{tenant_id}/subscription/refresh                   operator
POST   /api/v1/platform/tenants/{tenant_id}/suspend                                operator fresh
GET    /api/v1/platform/usage                                                      operator
GET    /api/v1/platform/waiting                                                    operator
GET    /api/v1/platform/waiting/tasks                                              operator
POST   /api/v1/platform/waiting/tasks/{event_id}/retry                             operator fresh
GET    /api/v1/practice                                                            anyone
GET    /api/v1/practitioners                                                       anyone
POST   /api/v1/quotes                                                              client
GET    /api/v1/services                                                            anyone
GET    /api/v1/time-slots                                                          anyone
GET    /api/v1/time-slots/days                                                     anyone
GET    /api/v1/time-slots/next                                                     anyone
GET    /api/v1/users/me                                                            client
PATCH  /api/v1/users/me                                                            client
DELETE /api/v1/users/me                                                            client fresh
GET    /api/v1/users/me/billing-profile                                            client
PUT    /api/v1/users/me/billing-profile                                            client
DELETE /api/v1/users/me/billing-profile                                            client
GET    /api/v1/users/me/calendar-feed                                              client
POST   /api/v1/users/me/calendar-feed                                              client fresh
DELETE /api/v1/users/me/calendar-feed                                              client
GET    /api/v1/users/me/cards                                                      client
POST   /api/v1/users/me/cards                                                      client
DELETE /api/v1/users/me/cards/{card_id}                                            client
POST   /api/v1/users/me/cards/{card_id}/confirm                                    client
GET    /api/v1/users/me/consents                                                   client
POST   /api/v1/users/me/consents                                                   client
GET    /api/v1/users/me/dependants                                                 client
POST   /api/v1/users/me/dependants                                                 client
PATCH  /api/v1/users/me/dependants/{dependant_id}                                  client
DELETE /api/v1/users/me/dependants/{dependant_id}                                  client
POST   /api/v1/users/me/email                                                      client fresh
GET    /api/v1/users/me/erasure                                                    client
GET    /api/v1/users/me/export                                                     client fresh
GET    /api/v1/users/me/identities                                                 client
DELETE /api/v1/users/me/identities/{identity_id}                                   client fresh
POST   /api/v1/users/me/identities/{provider}                                      client fresh
POST   /api/v1/users/me/password                                                   client
GET    /api/v1/users/me/mail-preferences                                           client
PUT    /api/v1/users/me/mail-preferences                                           client
GET    /api/v1/users/me/sessions                                                   client
POST   /api/v1/users/me/sessions/end-others                                        client
DELETE /api/v1/users/me/sessions/{session_id}                                      client
GET    /api/v1/users/me/text-consents                                              client
POST   /api/v1/users/me/text-consents                                              client
DELETE /api/v1/users/me/text-consents/{channel}                                    client
POST   /api/v1/users/me/text-consents/{channel}/confirm                            client
GET    /api/v1/waitlist                                                            client
POST   /api/v1/waitlist                                                            client
GET    /api/v1/waitlist/{entry_id}                                                 client
DELETE /api/v1/waitlist/{entry_id}                                                 client
POST   /api/v1/waitlist/{entry_id}/accept                                          client
POST   /api/v1/waitlist/{entry_id}/decline                                         client
GET    /auth/oauth/{provider}/callback                                             anyone
GET    /calendar/{token}.ics                                                       anyone
POST   /mail-preferences/{token}                                                   anyone
"""
