"""The table of all mails: every kind of the catalogue as the product really makes it, for each reader, in es and en.

To add a kind: a scenario in the module of its area, by the real services, decorated with the kinds that it shows:

    @shows("appointment_confirmed", "appointment_confirmed_practice")
    async def a_free_visit_is_booked(world: World) -> None:
        await world.book(await world.offer(), await world.client())
        await world.run()

A new module is named in :data:`AREAS`. Then ``TODOENBALANCE_SNAPSHOTS=write`` before the test's command writes
``tests/notifications/snapshots/<kind>.txt``; read what is new there before it is committed. Without the variable
nothing is ever written. What is asked of each mail is in ``checks`` and ``links``.
"""

AREAS = (
    "bookings",
    "money",
    "client_accounts",
    "visits",
    "requests",
    "staff_accounts",
    "sessions",
    "payment_accounts",
    "calendars",
    "sending",
    "social",
)
"""The modules with scenarios, the longest first. Each is a test, in two practices of its own; a kind is shown in one of
them only."""
