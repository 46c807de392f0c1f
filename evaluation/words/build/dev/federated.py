# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Who takes part in the training: the half for building."""

from __future__ import annotations

from ..selections import federated
from ..truth import Item

ITEMS = (
    Item(
        family="federated",
        kind="plain",
        level=3,
        marked="""
Six village clinics want to teach a shared program to spot coughs, and tonight some of them will each do a bit of the teaching
on their own computer. Alder would use {e=300||Wh} watt-hours, Birch {e=120}, Cedar {e=500}, Elm {e=200}, Fir {e=260} and Hazel
{e=90}. In Alder electricity makes {ci=60||g/kWh} grams of CO2 per kilowatt-hour, in Birch {ci=420}, in Cedar {ci=30}, in Elm {ci=250}, in
Fir {ci=110} and in Hazel {ci=380}. They hold recordings: Alder {data=800}, Birch {data=500}, Cedar {data=900}, Elm {data=700}, Fir
{data=650}, Hazel {data=300}. The teaching works only if the clinics that join hold at least {need=2200} recordings among
them. Which clinics should join, so that the night makes as little CO2 as possible?
""",
        **federated(["Alder", "Birch", "Cedar", "Elm", "Fir", "Hazel"]),
    ),
    Item(
        family="federated",
        kind="plain",
        level=1,
        marked="""
Client selection for one federated round. Clients: c1 {p=12||W} W, {t=300||s} s, {ci=90||g/kWh} gCO2e/kWh, {data=1200||sample} samples; c2 {p=25} W,
{t=140} s, {ci=310} gCO2e/kWh, {data=2000} samples; c3 {p=8} W, {t=650} s, {ci=40} gCO2e/kWh, {data=1500} samples; c4 {p=18} W, {t=260} s,
{ci=200} gCO2e/kWh, {data=1000} samples; c5 {p=30} W, {t=110} s, {ci=450} gCO2e/kWh, {data=1800} samples. A participating client consumes
power times local training time. Round deadline: {lim=400||s} s for every participating client. At least {least=2||client} clients and at least
{need=3000||sample} samples must take part. Minimise round emissions.
""",
        keep="least",
        **federated(["c1", "c2", "c3", "c4", "c5"]),
    ),
    Item(
        family="federated",
        kind="long",
        level=2,
        marked="""
From: Programme Office / To: Regional managers / Re: shared fraud model

Colleagues, the pilot has gone well: 17 banks signed letters of interest, the audit took 21 days, and the logo is chosen. Now to the point.
Five branches can contribute to the training of the fraud model. We will run {r=40||round} rounds, with the same branches in every
round, and a branch that contributes does so in all of them.

* Porto: {e=50||Wh} Wh of computing per round, {ci=170||g/kWh} g CO2e per kWh, {data=22000} records
* Lund: {e=65} Wh per round, {ci=25} g, {data=15000} records
* Essen: {e=40} Wh per round, {ci=390} g, {data=30000} records
* Nantes: {e=55} Wh per round, {ci=50} g, {data=12000} records
* Plovdiv: {e=45} Wh per round, {ci=420} g, {data=26000} records

Besides computing, each contributing branch sends its update of {d=80||MB} MB once per round, which consumes {eb=360||J/MB} J per MB at the branch's own
electricity. The statisticians insist on at least {need=50000} records in total; the works council
on at least {least=3||client} branches. (The fraud losses of last year, 1.2 million EUR, are confidential.) Please tell me by Friday which
branches contribute if emissions are to be lowest.
""",
        keep="least r",
        **federated(["Porto", "Lund", "Essen", "Nantes", "Plovdiv"]),
    ),
    Item(
        family="federated",
        kind="mixed",
        level=1,
        marked="""
Select participants of a federated training campaign. Per-client energy for the campaign: A {e=1.2||kWh} kWh, B {e=2880|0.8} kJ, C {e=950|0.95}
Wh, D {e=5.4|1.5} MJ. Intensities: A {ci=110||g/kWh} g/kWh, B {ci=0.36|360} kg/kWh, C {ci=205} g/kWh, D {ci=0.07|70} t/MWh (all CO2e).
Samples: A {data=4 thousand|4000|sample}, B {data=3500}, C {data=3.2 thousand|3200}, D {data=2600}. The participants must contribute at least {need=9 thousand|9000|sample} samples
together. Objective: minimum CO2e.
""",
        **federated(["A", "B", "C", "D"]),
    ),
    Item(
        family="federated",
        kind="contradictory",
        level=2,
        marked="""
Three hospitals, A, B and C, can join tomorrow's training of a shared model. They hold 4 000, 2 500 and 3 000 scans; joining takes
2, 1 and 3 kWh at 90, 300 and 60 g CO2e per kWh. The hospitals that join must hold at least 12 000 scans in total. Choose
the hospitals with the lowest emissions.
""",
        conflict=("They hold 4 000, 2 500 and 3 000 scans", "at least 12 000 scans in total"),
        why="All three together hold 9 500 scans.",
    ),
)
