"""Every kind of mail, as it is really made and sent, to every reader, in both languages."""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from notifications.catalogue import CATALOGUE, Audience, Topic
from notifications.formats import LANGUAGES
from tests.conftest import HttpFactory
from tests.notifications.every_mail import AREAS, checks, snapshots
from tests.notifications.every_mail.links import Follower
from tests.notifications.every_mail.scenarios import Scenario, scenarios
from tests.notifications.every_mail.world import Letter, World, make_world
from tests.support.oauth_provider import OAuthProvider
from tests.support.practice_pool import PracticePool
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit.runtime import Runtime

READERS = {
    Audience.CLIENT: {"client"},
    Audience.PRACTICE: {"owner", "contact"},
    Audience.OWNER: {"owner"},
    Audience.STAFF: set[str](),
    Audience.ADDRESS: set[str](),
}
"""Who must be among the readers of a kind, in both languages. A snapshot says who all of them are."""
HEARD_AT_THE_DESK = (Topic.REQUESTS, Topic.MONEY_TROUBLE, Topic.UNREACHED)
"""Of these reception and managers hear, too, until they say otherwise."""


@pytest.fixture
async def worlds(
    runtime: Runtime,
    http: HttpFactory,
    stripe_server: StripeServer,
    provider: OAuthProvider,
    practice_pool: PracticePool,
) -> list[World]:
    """One for each language."""
    return [
        await make_world(runtime, http, language, stripe=stripe_server, provider=provider, admin_url=practice_pool.url)
        for language in LANGUAGES
    ]


async def play(world: World, scenario: Scenario) -> tuple[list[Letter], list[str]]:
    """The mails that a scenario is there to show, and what is wrong with any that it causes."""
    async with world.playing(scenario.name):
        await scenario.play(world)
        letters = await world.letters()
        shown = [letter for letter in letters if letter.kind in scenario.kinds and world.is_mine(letter)]
        missing = set(scenario.kinds) - {letter.kind for letter in shown}
        faults = [f"nobody got {kind} in the world of {world.language}" for kind in sorted(missing)]
        follower = Follower(world)
        faults += [fault for letter in letters for fault in checks.faults_of(world, letter)]
        faults += await follower.faults(shown)
        for letter in shown:
            faults += await follower.act(letter, scenario.leave)
    return shown, [f"{scenario.name}: {fault}" for fault in faults]


def missing_readers(kind: str, letters: list[tuple[str, Letter]]) -> Iterator[str]:
    """Who should have been written to, and in which language nobody was."""
    row = CATALOGUE[kind]
    expected = READERS[row.audience] | (checks.COLLEAGUES if row.watch in HEARD_AT_THE_DESK else set())
    for language in LANGUAGES:
        roles = {letter.role for _, letter in letters if letter.language == language}
        if not roles or expected - roles:
            yield f"{kind} in {language} went to {sorted(roles)} and not to {sorted(expected - roles)}"


@pytest.mark.parametrize("area", AREAS)
async def test_every_mail_of_an_area(area: str, worlds: list[World]) -> None:
    by_kind: dict[str, list[tuple[str, Letter]]] = defaultdict(list)
    faults: list[str] = []
    for scenario in scenarios(area):
        for world in worlds:
            letters, found = await play(world, scenario)
            faults += found
            for letter in letters:
                by_kind[letter.kind].append((scenario.name, letter))
    for kind in dict.fromkeys(kind for scenario in scenarios(area) for kind in scenario.kinds):
        faults += missing_readers(kind, by_kind[kind])
        faults += snapshots.faults_of_kind(kind, snapshots.snapshot_of(by_kind[kind]))
    assert not faults, "\n\n".join(faults)


def test_every_kind_has_a_scenario_in_one_area_and_every_snapshot_a_kind() -> None:
    areas: dict[str, set[str]] = defaultdict(set)
    for scenario in scenarios():
        for kind in scenario.kinds:
            areas[kind].add(scenario.area)
    of_practices = {kind for kind, row in CATALOGUE.items() if row.audience is not Audience.OPERATOR}
    assert set(areas) == of_practices, "a kind needs a scenario: see tests/notifications/every_mail/__init__.py"
    assert {kind: found for kind, found in areas.items() if len(found) > 1} == {}
    assert snapshots.stale_files(CATALOGUE) == []
