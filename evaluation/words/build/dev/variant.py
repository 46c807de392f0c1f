# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Variants of a model: the half for building."""

from __future__ import annotations

from ..selections import variant
from ..truth import Item

ITEMS = (
    Item(
        family="variant",
        kind="plain",
        level=3,
        marked="""
The school library has three little helpers that answer children's questions: Tiny, Middle and Grand. Tiny gets
{acc=78||percent} % of its answers right, Middle {acc=88} %, Grand {acc=95} %. An answer from Tiny takes {e=15||J/request} joules, from
Middle {e=60} joules, from Grand {e=240} joules. The first-graders ask {n=400||request} questions a day, the middle school
{n=900} and the teachers {n=150}. First-graders are content if {floor=75||percent} % of answers are right, the middle
school wants {floor=85} %, the teachers want {floor=90} %. Each of these three groups is served by a single helper for the whole
day. The school's electricity makes {ci=180||g/kWh} grams of CO2 per kWh. Which helper for whom makes the least CO2?
""",
        **variant(["first-graders", "middle school", "teachers"], ["Tiny", "Middle", "Grand"]),
    ),
    Item(
        family="variant",
        kind="plain",
        level=1,
        marked="""
Model-variant selection. Request classes K1 ({n=50000||request} requests/day), K2 ({n=20000} requests/day), K3 ({n=8000}
requests/day). Variants: resnet18, resnet50, vit-b with energy per inference {e=0.12||J/request} J, {e=0.31} J and {e=1.40} J and
accuracy {acc=0.70}, {acc=0.76} and {acc=0.82}. One variant per class. The request-weighted mean accuracy over all classes must be at
least {floor=0.73}. CI = {ci=220||g/kWh} gCO2e/kWh. Minimise daily emissions.
""",
        **variant(["K1", "K2", "K3"], ["resnet18", "resnet50", "vit-b"], average=True),
    ),
    Item(
        family="variant",
        kind="long",
        level=2,
        marked="""
MEMO: choice of speech model per customer segment

1. Situation. The call centre serves three segments. Headcount is 212, churn fell to 3.1 %, and the lease for the
   second floor ends in June. None of this affects the choice below.
2. Models on offer. Compact: {p=20||W} W for {t=0.5||s} s per call snippet, word accuracy {acc=86||percent} %. Standard: {p=45} W for {t=0.8} s,
   accuracy {acc=91} %. Premium: {p=110} W for {t=1.6} s, accuracy {acc=96} %. (Premium was called "Deluxe" until 2024.)
3. Segments. Private customers send {n=120000||request} snippets a month and need an answer within {lim=1.0||s} s. Business customers
   send {n=30000} snippets and need an answer within {lim=2.0} s. Emergency services send {n=4000} snippets and need an answer within {lim=2.0} s.
   Minimum accuracy: private {floor=85||percent} %, business {floor=90} %, emergency {floor=95} %.
4. Electricity. The contract states {ci=310||g/kWh} g CO2e/kWh (it costs 0.21 EUR/kWh).
5. Decision needed. One model per segment so that monthly emissions are as low as possible.
""",
        **variant(
            ["Private customers", "Business customers", "Emergency services"],
            ["Compact", "Standard", "Premium"],
        ),
    ),
    Item(
        family="variant",
        kind="under",
        level=2,
        marked="""
We offer translation in two qualities, Basic (accuracy 84 %) and Plus (accuracy 92 %). Retail clients request 60 000
translations a day and accept 80 %; legal clients request 5 000 and accept no less than 90 %. A Basic translation consumes
20 J. Our electricity emits 270 g CO2e per kWh. Give each group of clients one quality so that emissions are lowest.
""",
        questions=(("energy of a Plus translation", "J"),),
    ),
    Item(
        family="variant",
        kind="out",
        level=1,
        marked="""
Given three model variants (energies 0.1, 0.3 and 1.2 J per inference, accuracies 0.70, 0.77, 0.83, grid 200 gCO2e/kWh),
choose the variant with maximal accuracy subject to a licence budget of 5000 EUR per year; licences cost 0, 3000 and 9000 EUR.
""",
        why="Accuracy is maximised under a budget of money; emissions are not the objective.",
    ),
)
