# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Who takes part in the training: once for judging, since looked at."""

from __future__ import annotations

from ..selections import federated
from ..truth import Item

ITEMS = (
    Item(
        family="federated",
        kind="plain",
        level=2,
        marked="""
Seven dealerships could take part in training a shared model for used-car prices next week. A dealership that takes part consumes, in total, the following:

Aarhus {e=2.4||kWh} kWh at {ci=130||g/kWh} g CO2e/kWh, offers {data=9000} sales records
Bilbao {e=1.9} kWh at {ci=160} g CO2e/kWh, offers {data=7000} sales records
Cork {e=2.1} kWh at {ci=290} g CO2e/kWh, offers {data=12000} sales records
Dresden {e=3.0} kWh at {ci=370} g CO2e/kWh, offers {data=15000} sales records
Evora {e=1.2} kWh at {ci=150} g CO2e/kWh, offers {data=4000} sales records
Falun {e=4.0} kWh at {ci=22} g CO2e/kWh, offers {data=6000} sales records
Graz {e=1.5} kWh at {ci=140} g CO2e/kWh, offers {data=5000} sales records

Together, those that take part must offer at least {need=28000} sales records, and there must be at least {least=4||client} of them. Which dealerships give the lowest emissions?
""",
        keep="least",
        **federated(["Aarhus", "Bilbao", "Cork", "Dresden", "Evora", "Falun", "Graz"]),
    ),
    Item(
        family="federated",
        kind="plain",
        level=3,
        marked="""
Our hiking club's members lend their phones to teach a mushroom-spotting program. Of five members, Kai, Lea, Mo, Nia and Ole, at least {least=three|3|client} should help on Sunday. Helping keeps Kai's phone busy for
{t=40||min} minutes, Lea's for {t=25}, Mo's for {t=90}, Nia's for {t=30} and Ole's for {t=55} minutes. While busy, the phones use {p=3||W} watts (Kai), {p=5} watts (Lea), {p=2} watts (Mo), {p=4} watts (Nia) and {p=2.5} watts (Ole). Where they live, a kilowatt-hour makes {ci=300||g/kWh}
grams of CO2 for Kai, {ci=280} for Lea, {ci=60} for Mo, {ci=410} for Nia and {ci=190} for Ole. Nobody's phone may be busy for longer than {lim=60||min} minutes. The helpers must have {need=600} mushroom pictures or more between them: Kai has {data=220}, Lea {data=150}, Mo {data=400}, Nia {data=90} and Ole {data=180}.
Who should help, to make the least CO2?
""",
        keep="least",
        **federated(["Kai", "Lea", "Mo", "Nia", "Ole"]),
    ),
    Item(
        family="federated",
        kind="long",
        level=1,
        marked="""
Participant selection for cross-silo FL (internal RFC 0147, status: accepted, 5 approvals, 1 abstention)

Motivation. The global model has 11.2 M parameters and is trained with FedAvg (server momentum 0.9, local learning rate 0.01, 2 local epochs). Secure aggregation adds no energy worth counting. The aggregator in Vantaa is
always on and excluded.

Decision. A fixed subset of the eight silos participates in each of {r=100||round} rounds. Per participating silo and round: local energy as in the table, plus the upload of one update of {d=45||MB} MB at {eb=220||J/MB} J/MB, both at the silo's intensity.

| silo | local energy per round (Wh) | CI (gCO2e/kWh) | samples | round time (s) |
|---|---|---|---|---|
| S1 | {e=18||Wh} | {ci=45||g/kWh} | {data=5200||sample} | {late=95||s} |
| S2 | {e=9} | {ci=390} | {data=4100} | {late=60} |
| S3 | {e=14} | {ci=210} | {data=7600} | {late=80} |
| S4 | {e=22} | {ci=30} | {data=3900} | {late=170} |
| S5 | {e=11} | {ci=260} | {data=6000} | {late=70} |
| S6 | {e=16} | {ci=120} | {data=4800} | {late=110} |
| S7 | {e=7} | {ci=520} | {data=3500} | {late=50} |
| S8 | {e=20} | {ci=75} | {data=6900} | {late=118} |

Constraints. Round time of each participating silo <= {lim=120||s} s. Total samples of the participants >= {need=24000||sample}. The differential-privacy budget (epsilon 6, delta 1e-6) holds for any subset. Objective: minimum total emissions.
""",
        keep="r",
        **federated(["S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8"]),
    ),
    Item(
        family="federated",
        kind="under",
        level=1,
        marked="""
Federated client selection, one round, minimum emissions. Clients A, B, C and D with energies 10, 14, 8 and 20 Wh per round and intensities 200, 90, 350 and 40 gCO2e/kWh. The participants' samples must sum to at least 5000. A holds 2000 samples, B holds 2500 samples
and C holds 1500 samples.
""",
        questions=(("number of samples of client D", "sample"),),
    ),
    Item(
        family="federated",
        kind="out",
        level=2,
        marked="""
Several hospitals want to train a model together without sharing patient data. Which software framework do you recommend, and who is the data controller under the GDPR? We have 3 sites with 200 g CO2e per kWh and 2 kWh per round.
""",
        why="Software and legal advice are asked for.",
    ),
)
