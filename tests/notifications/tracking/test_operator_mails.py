"""What SendGrid tells of mails to operators, at the same address as of practices'."""

from notifications.models import EmailLog
from notifications.operator_mails.models import OperatorMail
from notifications.operator_mails.service import deliver
from notifications.sendgrid import SendGrid
from tests.notifications.tracking.conftest import KEY, Post
from tests.support.operator_mails import mail_rows
from tests.support.operators import make_operator
from tests.support.practices import make_client
from todoenbalance.kit.settings import SendGridSettings
from todoenbalance.operators.mails.kinds import OPERATOR_PASSWORD_CHANGED


async def send(post: Post) -> OperatorMail:
    """A mail to an operator, by SendGrid."""
    operator = await make_operator(post.runtime)
    settings = SendGridSettings.model_validate({"api_key": KEY, "api_base": post.server.url})
    payload = {
        "kind": OPERATOR_PASSWORD_CHANGED,
        "subject_id": str(operator.id),
        "version": "v",
        "operator_id": str(operator.id),
    }
    await deliver(post.runtime, payload, SendGrid(settings, None))
    [row] = await mail_rows(post.runtime, OPERATOR_PASSWORD_CHANGED, operator.id)
    return row


async def again(post: Post, row: OperatorMail) -> OperatorMail:
    async with post.runtime.database.platform() as session:
        return await session.get_one(OperatorMail, row.id)


async def test_an_event_is_kept_with_its_mail(post: Post) -> None:
    row = await send(post)
    event = post.server.event_of(KEY, len(post.server.account(KEY).sent) - 1, "delivered")
    assert (event["practice"], event["message"]) == ("platform", str(row.id))
    answer = await post.tell(event)
    assert answer.status_code == 200
    assert (await again(post, row)).delivery == "delivered"


async def test_one_batch_may_tell_of_both(post: Post) -> None:
    row, log = await send(post), await post.notify(await make_client(post.runtime, post.practice))
    about_operator = post.server.event_of(
        KEY, len(post.server.account(KEY).sent) - 1, "bounce", type="bounce", reason="550", status="5.1.1"
    )
    assert (await post.tell(about_operator, post.event(log, "delivered"))).status_code == 200
    assert (await again(post, row)).delivery == "bounced"
    assert (await post.log(log.id)).delivery == "delivered"
    assert await post.suppressions() == []


async def test_a_practice_can_not_tell_of_operators_mails(post: Post) -> None:
    row = await send(post)
    event = post.server.event_of(KEY, len(post.server.account(KEY).sent) - 1, "delivered")
    assert (await post.tell(event, path=f"/{post.practice.key}")).status_code == 200
    assert (await again(post, row)).delivery is None


async def test_a_practices_mail_is_no_operators(post: Post) -> None:
    log: EmailLog = await post.notify(await make_client(post.runtime, post.practice))
    assert (await post.tell(post.event(log, "delivered", practice="platform"))).status_code == 200
    assert (await post.log(log.id)).delivery is None
