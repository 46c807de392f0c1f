# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Which clients train together: the half for judging."""

from __future__ import annotations

from ..selections import federated
from ..truth import Item

ITEMS = (
    Item(
        family="federated",
        kind="plain",
        level=1,
        marked="""
Need a client subset for a single FL round. Dump of the registry:

client,train_power_w,train_time_s,upload_energy_j,ci_g_per_kwh,examples
n1,{p=60||W},{t=300||s},{up=900||J},{ci=210||g/kWh},{data=3200||sample}
n2,{p=95},{t=180},{up=1400},{ci=48},{data=2500}
n3,{p=40},{t=640},{up=700},{ci=130},{data=4100}
n4,{p=120},{t=240},{up=1100},{ci=390},{data=6000}
n5,{p=30},{t=420},{up=500},{ci=285},{data=1800}
n6,{p=75},{t=350},{up=1200},{ci=95},{data=3000}

A client that is selected spends train_power * train_time plus its upload energy, all at its own carbon intensity; one
that is not selected spends nothing. Straggler rule: train_time of any selected client <= {lim=600||s} s. The selected ones must
hold >= {need=10000||sample} examples in total. min gCO2e.
""",
        **federated(["n1", "n2", "n3", "n4", "n5", "n6"]),
    ),
    Item(
        family="federated",
        kind="plain",
        level=2,
        marked="""
Growers' cooperative, minutes of the board, item 4: frost warning model

The model will be trained jointly by some of our wineries, in {r=40||round} rounds. The same wineries take part in every round.
Ms Roth presented the figures. Amsel's office computer consumes {e=0.40||kWh} kWh per round, its electricity causes {ci=190||g/kWh} g CO2e per
kWh and it can contribute {data=2100} vineyard records. Brunn: {e=0.25} kWh per round, {ci=420} g, {data=1500} records. Corvin: {e=0.60} kWh per
round, {ci=60} g, {data=2600} records. Dole: {e=0.30} kWh per round, {ci=230} g, {data=1900} records. Esch: {e=0.55} kWh per round, {ci=110} g, {data=1200}
records. Fink: {e=0.20} kWh per round, {ci=350} g, {data=700} records.

Resolved: at least {least=four|4|client} wineries shall take part, and between them they shall contribute no fewer than {need=6500} vineyard
records. Ms Roth is to find out which wineries should take part so that the whole training has the lowest carbon emissions.
""",
        keep="least r",
        **federated(["Amsel", "Brunn", "Corvin", "Dole", "Esch", "Fink"]),
    ),
    Item(
        family="federated",
        kind="long",
        level=3,
        marked="""
Dear niece,

you are good with sums, so here is one for you. The beekeepers of our valley (we are 23 by now, with 140 hives, and last summer
we sold 2,150 jars at 6 euros) want to teach a little program to hear when a swarm is about to fly. It learns at our
homes, during one night, on whatever old computer stands there, and in the morning the lessons are put together. Seven
of us have offered, and not all are needed: it is enough if those who join in have {need=200||h} hours of buzzing on tape between
them.

Anton's computer would be busy for {t=5||h} hours and draws {p=8||W} watts; he has {data=60||h} hours of buzzing. Berta's is busy for {t=3} hours with {p=12}
watts, and she has {data=45} hours on tape. Cilla, who is 81, would need {t=9} hours with {p=5} watts, but she has {data=80} hours. Dirk: {t=6} hours,
{p=10} watts, {data=70} hours on tape. Edda: {t=4} hours, {p=6} watts, {data=50} hours on tape. Fabian: {t=2.5} hours, {p=15} watts, {data=35} hours on tape. Gunda: {t=7.5} hours, {p=7}
watts, {data=90} hours on tape.

As to the dirt in the electricity, in grams of CO2 for each kilowatt-hour: Anton {ci=210||g/kWh}, Berta {ci=330}, Cilla {ci=40}, Dirk {ci=95}, Edda {ci=400}, Fabian {ci=150},
Gunda {ci=180}. The computers must be free again when the shop opens, so nobody's may be busy for more than {lim=8||h} hours. The putting
together is done by hand, at breakfast.

Who should join in so that our night makes the least CO2? There is a jar of lime honey (500 g) in it for you.

Your uncle Gustav
""",
        **federated(["Anton", "Berta", "Cilla", "Dirk", "Edda", "Fabian", "Gunda"]),
    ),
    Item(
        family="federated",
        kind="under",
        level=3,
        marked="""
Our street has four robot mowers and they could learn together, over one night, how to steer clear of frogs. Learning takes 0.3
kWh at our house, 0.5 kWh at the Pereiras', 0.4 kWh at the Lunds' and 0.2 kWh at the Novaks'. We have 900 frog pictures,
the Pereiras 1,400, the Lunds 700 and the Novaks 1,100, and the lesson only works with 2,500 pictures or more. Our power makes
120 g of CO2 a kilowatt-hour, the Pereiras' 340 g and the Lunds' 25 g. Which mowers should learn if we want the least CO2?
""",
        questions=(("grams of CO2 per kilowatt-hour at the Novaks'", "gCO2e/kWh"),),
    ),
    Item(
        family="federated",
        kind="out",
        level=1,
        marked="""
Setup: FedProx with mu = 0.01, 20 clients, Dirichlet(0.3) label skew, 12 Wh per client and round, grid at 300 gCO2e/kWh. Which
test accuracy can I expect after 200 rounds, and is there a tight convergence bound for the non-convex case with partial
participation of 25 %? A reference would do.
""",
        why="A forecast of accuracy and a theorem are asked for; nobody is to be selected.",
    ),
)
