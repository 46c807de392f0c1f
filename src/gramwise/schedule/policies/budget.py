"""As accurate as a day's carbon budget allows: the fractions of a plan that was solved under the budget.

The goal is ``carbon_budget_g_per_day``. Which variants a request may get is decided by whoever makes the guidance
(`gramwise.runtime.ahead` plans the grams that are left of the day); here they are drawn. Requests name an accuracy
floor, or only their reference variant is permitted and there is nothing to choose.
"""

from __future__ import annotations

from gramwise.schedule.policies.fractions import Fractions


class Budget(Fractions):
    """`fractions`, with guidance made under the budget."""

    name = "budget"


PLUGIN = Budget
