"""What a plan does not allow, and what is wrong with a plan."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class PracticePastDueError(ProblemError):
    """The practice owes the platform money for longer than the days of grace; booking and paying go on."""

    status = 402
    code = "practice_past_due"
    title = "The practice's subscription is overdue"
    messages: ClassVar[dict[str, str]] = {
        "en": "The practice's subscription is overdue. This is possible again as soon as an owner has paid it under"
        " Plan and invoices; bookings and payments go on meanwhile.",
        "es": "La suscripción de la consulta está pendiente de pago. Esto volverá a ser posible en cuanto un titular"
        " la pague en Plan y facturas; mientras tanto, las reservas y los cobros siguen funcionando.",
    }


class NotInPlanError(ProblemError):
    """The practice's plan does not include this."""

    status = 402
    code = "not_in_plan"
    title = "Not in the plan"
    messages: ClassVar[dict[str, str]] = {
        "en": "The practice's plan does not include this.",
        "es": "El plan de la consulta no incluye esto.",
    }


class PlanLimitReachedError(ProblemError):
    """The plan allows no more of them."""

    status = 402
    code = "plan_limit_reached"
    title = "The plan's limit is reached"
    messages: ClassVar[dict[str, str]] = {
        "en": "The practice's plan allows at most {limit} active practitioners.",
        "es": "El plan de la consulta permite como máximo {limit} profesionales en activo.",
    }


class PlanCodeTakenError(ProblemError):
    """Another plan has the code."""

    status = 409
    code = "plan_code_taken"
    title = "Code taken"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is a plan “{code}” already.",
        "es": "Ya existe un plan «{code}».",
    }


class PlanInUseError(ProblemError):
    """The plan that new practices are on can't be archived or priced."""

    status = 409
    code = "plan_in_use"
    title = "Plan in use"
    messages: ClassVar[dict[str, str]] = {
        "en": "New practices are on “{code}”, so it can be neither archived nor have a monthly price.",
        "es": "Las consultas nuevas empiezan en «{code}», así que no se puede archivar ni tener cuota mensual.",
    }
