"""What can be said of the benchmarks without measuring: the command line, and that the floor asks the same."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from benchmarks.floor import Question, product_statement
from benchmarks.options import MEASUREMENTS, parse
from scheduling.availability.repository import Window, find_availability
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id


class TestTheCommandLine:
    def test_measures_everything_by_default(self) -> None:
        options = parse([])
        assert (options.only, options.practices, options.as_json) == (MEASUREMENTS, 1000, False)

    def test_quick_is_smaller_and_can_be_overridden(self) -> None:
        quick = parse(["--quick", "--seconds", "2.5", "--json"])
        assert quick.practices < 100
        assert (quick.seconds, quick.as_json) == (2.5, True)

    def test_chooses_measurements_in_their_usual_order(self) -> None:
        assert parse(["--only", "scale", "--only", "booking"]).only == ("booking", "scale")

    @pytest.mark.parametrize(
        "arguments", [["--practices", "10"], ["--seconds", "soon"], ["--only", "nothing"], ["--fast"], ["more"]]
    )
    def test_refuses_what_it_does_not_understand_in_one_line(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as left:
            parse(arguments)
        assert left.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


class TestTheFloor:
    async def test_sends_the_statement_and_the_parameters_of_the_product(self, session: TenantSession) -> None:
        sent: list[tuple[str, dict[str, Any]]] = []

        def listen(_conn: Any, _cursor: Any, statement: str, parameters: dict[str, Any], *_more: Any) -> None:
            sent.append((statement, parameters))

        engine = session.get_bind().engine
        now = clock.now()
        window = Window(
            people=[(new_id(), "Europe/Madrid", False)],
            kinds=[""],
            starts=now,
            ends=now + timedelta(days=14),
            now=now,
            buffer_before=timedelta(0),
            buffer_after=timedelta(minutes=15),
        )
        event.listen(engine, "before_cursor_execute", listen)
        try:
            await find_availability(session, window, with_layers=False)
        finally:
            event.remove(engine, "before_cursor_execute", listen)

        question = Question(
            database_url="",
            practice=session.tenant.key,
            connections=1,
            window=window,
        )
        assert sent[-1] == (product_statement(), question.parameters)
