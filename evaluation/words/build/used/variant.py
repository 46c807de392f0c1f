# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Variants of a model: once for judging, since looked at."""

from __future__ import annotations

from ..selections import variant
from ..truth import Item

ITEMS = (
    Item(
        family="variant",
        kind="plain",
        level=2,
        marked="""
Our document reader comes in four sizes. For every kind of document we pick one size, and every document of that kind is then read with it.

Size: energy per document, share read correctly
XS: {e=4||J/request} J, {acc=81||percent} %
S: {e=9} J, {acc=87} %
M: {e=25} J, {acc=92} %
L: {e=70} J, {acc=97} %

Documents per month: invoices {n=30000||request}, letters {n=12000}, contracts {n=1500}, forms {n=45000}.
At least the following share must be read correctly: invoices {floor=91||percent} %, letters {floor=80} %, contracts {floor=95} %, forms {floor=85} %.

The office buys electricity at {ci=365||g/kWh} g CO2e per kWh. Which size for which kind of document keeps our monthly emissions lowest?
""",
        **variant(["invoices", "letters", "contracts", "forms"], ["XS", "S", "M", "L"]),
    ),
    Item(
        family="variant",
        kind="plain",
        level=3,
        marked="""
At our radio station a machine writes down what listeners say on the phone. It can listen in three ways: quick, careful or very careful. A call takes it {t=2||s} seconds at
{p=30||W} watts when quick, {t=5} seconds at {p=40} watts when careful, {t=12} seconds at {p=50} watts when very careful. Out of a hundred words it gets {acc=82||percent} right
when quick, {acc=90} when careful and {acc=96} when very careful. In the morning there are {n=600||request} calls and in the evening {n=200}. All calls of the morning are heard in one
way, and all calls of the evening in one way. Over all calls of the day taken together, at least {floor=86||percent} of a hundred words must be right on average. The electricity makes
{ci=320||g/kWh} grams of CO2 per kWh in the morning and {ci=190} in the evening. How should it listen when, for the least CO2?
""",
        **variant(["morning", "evening"], ["quick", "careful", "very careful"], average=True),
    ),
    Item(
        family="variant",
        kind="long",
        level=1,
        marked="""
Selecting early exits per traffic class (extract of the design review, rev. C)

3.1 The backbone (48 layers, 86 M parameters, trained for 90 epochs with batch 1024 and weight decay 0.05) has exits E1, E2, E3, E4. Exactly one exit is configured
per traffic class. Training emissions (2.1 tCO2e) are sunk and not part of the decision.

3.2 Energy per inference at the exits: {e=35||mJ/image} mJ, {e=80} mJ, {e=150} mJ, {e=260} mJ. Latency at the exits: {lat=6||ms} ms, {lat=11} ms, {lat=19} ms, {lat=31} ms. The accuracy
depends on class and exit:

| class | E1 | E2 | E3 | E4 |
|---|---|---|---|---|
| pedestrian | {ack=0.88} | {ack=0.93} | {ack=0.96} | {ack=0.97} |
| vehicle | {ack=0.91} | {ack=0.95} | {ack=0.97} | {ack=0.98} |
| animal | {ack=0.71} | {ack=0.80} | {ack=0.89} | {ack=0.93} |

3.3 Requirements. pedestrian: accuracy >= {floor=0.95}, latency <= {lim=20||ms} ms. vehicle: accuracy >= {floor=0.90}, latency <= {lim=20} ms. animal: accuracy >= {floor=0.85}, latency
<= {lim=35} ms.

3.4 Volumes per day: pedestrian {n=1200000||image}, vehicle {n=3500000}, animal {n=40000}. Intensity {ci=240||g/kWh} gCO2e/kWh. The enclosure is IP67 and rated for 18 W. Minimise
daily emissions.
""",
        **variant(["pedestrian", "vehicle", "animal"], ["E1", "E2", "E3", "E4"]),
    ),
    Item(
        family="variant",
        kind="mixed",
        level=1,
        marked="""
One variant per class. Variants: v1 {e=50||mJ/image} mJ/inference, v2 {e=0.05|180} mWh/inference, v3 {e=0.6|600} J/inference. Accuracy: v1 {acc=74||percent} %, v2 {acc=0.81|81}, v3 {acc=88} %.
Class a: {n=0.9 M|900000|image} inferences per day, accuracy of at least {floor=0.72|72|percent}. Class b: {n=250 k|250000} inferences per day, accuracy of at least {floor=80} %. Class c: {n=30000} inferences per
day, accuracy of at least {floor=0.85|85}. CI = {ci=0.33|330|g/kWh} kgCO2e/kWh. Minimise emissions per day.
""",
        **variant(["a", "b", "c"], ["v1", "v2", "v3"]),
    ),
    Item(
        family="variant",
        kind="contradictory",
        level=3,
        marked="""
Our museum has two talking guides. Little Guide gives 70 good answers out of a hundred and uses 10 joules for an answer, Big Guide gives 90 good ones out of a hundred and
uses 50 joules. We get 300 questions a day and the power makes 150 g of CO2 per kWh. The director wants at least 95 good answers out of a hundred, with no other
guide than these two. Which guide makes the least CO2 and pleases the director?
""",
        conflict=(
            "Big Guide gives 90 good ones out of a hundred",
            "at least 95 good answers out of a hundred",
        ),
        why="The better guide reaches 90 of a hundred; 95 are wanted.",
    ),
)
