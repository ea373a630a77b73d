"""The state machine of payments, over every combination of its inputs."""

from itertools import product
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.payments.models import AttemptStatus, PaymentStatus
from billing.payments.transitions import (
    OPEN_ATTEMPTS,
    WITHOUT_MONEY,
    Facts,
    advance_attempt,
    derive_status,
    find_mismatch,
)
from billing.providers.port import ProviderState, Snapshot
from todoenbalance.kit.money import Money

CLOSED = {AttemptStatus.DECLINED, AttemptStatus.EXPIRED, AttemptStatus.CANCELLED}
attempts = st.lists(st.sampled_from(AttemptStatus), max_size=3)


@st.composite
def all_facts(draw: st.DrawFn) -> Facts:
    """Amounts as the table's checks allow them: refunds never exceed what was captured."""
    captured = draw(st.integers(0, 3))
    return Facts(
        attempts=draw(attempts),
        amount_minor=draw(st.integers(1, 3)),
        captured_minor=captured,
        refunded_minor=draw(st.integers(0, captured)),
        disputed_minor=draw(st.integers(0, captured)),
    )


class TestAttempt:
    @pytest.mark.parametrize(("current", "observed"), list(product(AttemptStatus, ProviderState)))
    def test_only_moves_forward(self, current: AttemptStatus, observed: ProviderState) -> None:
        after = advance_attempt(current, observed)
        assert after in (current, AttemptStatus(observed))
        if current is AttemptStatus.CAPTURED:
            assert after is AttemptStatus.CAPTURED
        if current in CLOSED:
            assert after in (current, AttemptStatus.CAPTURED)
        if current is AttemptStatus.PROCESSING:
            assert after is not AttemptStatus.AWAITING_CUSTOMER

    @pytest.mark.parametrize("current", AttemptStatus)
    def test_money_wins_over_every_state(self, current: AttemptStatus) -> None:
        assert advance_attempt(current, ProviderState.CAPTURED) is AttemptStatus.CAPTURED

    @given(st.sampled_from(AttemptStatus), st.sampled_from(ProviderState))
    def test_seeing_the_same_twice_changes_nothing(self, current: AttemptStatus, observed: ProviderState) -> None:
        once = advance_attempt(current, observed)
        assert advance_attempt(once, observed) is once

    @given(st.permutations([ProviderState.AWAITING_CUSTOMER, ProviderState.PROCESSING, ProviderState.CAPTURED]))
    def test_the_order_in_which_facts_arrive_does_not_matter(self, observed: list[ProviderState]) -> None:
        status = AttemptStatus.CREATED
        for state in observed:
            status = advance_attempt(status, state)
        assert status is AttemptStatus.CAPTURED

    @pytest.mark.parametrize("observed", ProviderState)
    def test_a_lost_answer_is_left_by_reading_only(self, observed: ProviderState) -> None:
        assert advance_attempt(AttemptStatus.UNKNOWN, observed) is AttemptStatus(observed)
        assert advance_attempt(AttemptStatus.UNKNOWN, AttemptStatus.CREATED) is AttemptStatus.UNKNOWN


class TestPayment:
    @given(st.sampled_from(PaymentStatus), all_facts())
    def test_the_status_is_stable_while_the_facts_are(self, current: PaymentStatus, facts: Facts) -> None:
        status = derive_status(current, facts)
        assert derive_status(status, facts) is status

    @given(st.sampled_from(PaymentStatus), all_facts())
    def test_with_money_the_history_does_not_matter(self, current: PaymentStatus, facts: Facts) -> None:
        if facts.captured_minor > 0:
            assert derive_status(current, facts) is derive_status(PaymentStatus.REQUIRES_ACTION, facts)

    @given(st.sampled_from(PaymentStatus), all_facts())
    def test_the_status_never_claims_money_that_is_not_there(self, current: PaymentStatus, facts: Facts) -> None:
        status = derive_status(current, facts)
        if facts.captured_minor == 0:
            assert status in WITHOUT_MONEY
        else:
            assert status not in (PaymentStatus.FAILED, PaymentStatus.CANCELLED, PaymentStatus.PROCESSING)
        if status is PaymentStatus.SUCCEEDED:
            assert facts.captured_minor >= facts.amount_minor
            assert facts.refunded_minor == 0

    @given(st.sampled_from([PaymentStatus.FAILED, PaymentStatus.CANCELLED]), all_facts())
    def test_failed_and_cancelled_are_left_for_money_only(self, current: PaymentStatus, facts: Facts) -> None:
        assert (derive_status(current, facts) is current) == (facts.captured_minor == 0)

    @pytest.mark.parametrize("current", [PaymentStatus.FAILED, PaymentStatus.CANCELLED])
    def test_late_money_makes_a_dead_payment_succeed(self, current: PaymentStatus) -> None:
        facts = Facts([AttemptStatus.CAPTURED], amount_minor=4500, captured_minor=4500)
        assert derive_status(current, facts) is PaymentStatus.SUCCEEDED

    @pytest.mark.parametrize("status", sorted(OPEN_ATTEMPTS))
    def test_processing_does_not_fall_back_to_requires_action(self, status: AttemptStatus) -> None:
        assert derive_status(PaymentStatus.PROCESSING, Facts([status], 4500)) is PaymentStatus.PROCESSING

    @pytest.mark.parametrize(
        ("last", "expected"),
        [
            (AttemptStatus.DECLINED, PaymentStatus.FAILED),
            (AttemptStatus.EXPIRED, PaymentStatus.CANCELLED),
            (AttemptStatus.CANCELLED, PaymentStatus.CANCELLED),
        ],
    )
    def test_closed_attempts_close_the_payment(self, last: AttemptStatus, expected: PaymentStatus) -> None:
        assert derive_status(PaymentStatus.REQUIRES_ACTION, Facts([last], 4500)) is expected

    def test_an_open_attempt_after_a_decline_keeps_the_payment_open(self) -> None:
        facts = Facts([AttemptStatus.DECLINED, AttemptStatus.AWAITING_CUSTOMER], 4500)
        assert derive_status(PaymentStatus.REQUIRES_ACTION, facts) is PaymentStatus.REQUIRES_ACTION

    @pytest.mark.parametrize(
        ("captured", "refunded", "disputed", "expected"),
        [
            (4500, 0, 0, PaymentStatus.SUCCEEDED),
            (4500, 1, 0, PaymentStatus.PARTIALLY_REFUNDED),
            (4500, 4500, 0, PaymentStatus.REFUNDED),
            (4500, 0, 4500, PaymentStatus.DISPUTED),
            (4500, 1, 1, PaymentStatus.DISPUTED),
            (2000, 0, 0, PaymentStatus.REQUIRES_ACTION),
            (2000, 2000, 0, PaymentStatus.REFUNDED),
            (5000, 0, 0, PaymentStatus.SUCCEEDED),
        ],
    )
    def test_the_amounts_decide(self, captured: int, refunded: int, disputed: int, expected: PaymentStatus) -> None:
        facts = Facts([AttemptStatus.CAPTURED], 4500, captured, refunded, disputed)
        assert derive_status(PaymentStatus.REQUIRES_ACTION, facts) is expected


class TestMismatch:
    ATTEMPT = uuid4()

    def snapshot(self, **changes: object) -> Snapshot:
        values: dict[str, object] = {
            "provider_ref": "order-1",
            "state": ProviderState.CAPTURED,
            "attempt_id": self.ATTEMPT,
            "amount": Money(4500, "EUR"),
            "captured_minor": 4500,
            "refunded_minor": 0,
            "provider_status": "captured",
        }
        return Snapshot(**(values | changes))  # type: ignore[arg-type]  # the test names the fields

    def test_an_echo_that_agrees_is_no_mismatch(self) -> None:
        assert find_mismatch(self.ATTEMPT, Money(4500, "EUR"), self.snapshot()) is None

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"attempt_id": uuid4()}, "attempt_mismatch"),
            ({"attempt_id": None}, "attempt_mismatch"),
            ({"amount": Money(4500, "USD")}, "currency_mismatch"),
            ({"amount": Money(450, "EUR")}, "amount_mismatch"),
            ({"captured_minor": 450}, "captured_amount_mismatch"),
            ({"state": ProviderState.AWAITING_CUSTOMER}, "captured_amount_mismatch"),
        ],
    )
    def test_any_contradiction_is_one(self, changes: dict[str, object], reason: str) -> None:
        assert find_mismatch(self.ATTEMPT, Money(4500, "EUR"), self.snapshot(**changes)) == reason
