# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""How many copies run where, and which takes what share: the half for judging."""

from __future__ import annotations

from ..flows import replicas
from ..truth import Item

ITEMS = (
    Item(
        family="replicas",
        kind="plain",
        level=2,
        marked="""
RETURNS CHATBOT - PLAN FOR THE SALE WEEKEND

* The sale lasts {T=48||h} hours. We forecast {dem=900,000||request} conversations in that time; nobody may be turned away.
* A copy of the chatbot that is switched on stays on for the whole sale and draws, without any conversation, {pi=240||W} W in
  Lyon, {pi=200} W in Bratislava and {pi=310} W in Tallinn.
* Each conversation adds {e=0.9||Wh/request} Wh in Lyon, {e=1.1} Wh in Bratislava, {e=0.7} Wh in Tallinn.
* Over the sale one copy copes with no more than {cap=150,000||request} conversations in Lyon, {cap=120,000} in Bratislava, {cap=260,000} in Tallinn.
* We hold licences for {most=4||replica} copies in Lyon, {most=5} in Bratislava and {most=3} in Tallinn; fewer may be used.
* Footprint of the electricity: Lyon {ci=58||g/kWh}, Bratislava {ci=135} and Tallinn {ci=470} g CO2e/kWh.

Needed from you: the number of copies for each city, and which city takes how many conversations, at the lowest total
emissions for the weekend.
""",
        keep="most",
        **replicas(["Lyon", "Bratislava", "Tallinn"]),
    ),
    Item(
        family="replicas",
        kind="plain",
        level=3,
        marked="""
Our weather club has a talking computer program: whoever rings hears what the wind will do. On the day of the regatta
{dem=2400||request} people are going to ring, and each of them shall get an answer. The program can run on as many computers as we like to
turn on: I have {most=two|2|replica} in my cellar, Petra has {most=five|5} in her barn, and there are {most=two|2} in the harbour office.

A computer that is turned on eats {ei=0.9||kWh} kWh that day in the cellar, {ei=0.6} kWh in the barn and {ei=1.4} kWh in the harbour office, even if the
phone never rings. A call eats {e=1.5||Wh/request} watt-hours on top in the cellar, {e=2} in the barn and {e=1} in the harbour office. And one computer can
only answer so many people in the day: {cap=400||request} in the cellar, {cap=300} in the barn, {cap=800} in the harbour office. In the cellar a kilowatt-hour
means {ci=380||g/kWh} grams of CO2, in the barn {ci=45} (there is a water wheel), in the harbour office {ci=210}.

How many computers should we turn on in each of the three places to do the day with the least CO2?
""",
        keep="most",
        **replicas(["cellar", "barn", "harbour office"]),
    ),
    Item(
        family="replicas",
        kind="long",
        level=1,
        marked="""
# asr-placement.yaml - solve this, I will commit the result
service: asr-large            # 1.1 B parameters, int8, 2.3 GB of weights
owner: speech-platform        # on call: 2 people
latency_p99_ms: 420           # already met in every zone, do not model
horizon_h: {T=6||h}
demand_requests: {dem=2,100,000||request}    # over the horizon, no shedding

zones:
  - id: fsn
    idle_power_w_per_replica: {pi=130||W}
    energy_j_per_request: {e=5.5||J/request}
    max_requests_per_replica: {cap=300,000||request}    # over the horizon, same below
    replicas_min: {lo=1||replica}
    replicas_max: {most=3||replica}
    pue: {pue=1.12}
    ci_gco2e_per_kwh: {ci=350||g/kWh}
    price_eur_per_replica_hour: 0.84
  - id: hel
    idle_power_w_per_replica: {pi=95}
    energy_j_per_request: {e=7.0}
    max_requests_per_replica: {cap=220,000}
    replicas_min: {lo=0}
    replicas_max: {most=4}
    pue: {pue=1.08}
    ci_gco2e_per_kwh: {ci=48}
    price_eur_per_replica_hour: 0.91
  - id: mad
    idle_power_w_per_replica: {pi=150}
    energy_j_per_request: {e=4.8}
    max_requests_per_replica: {cap=400,000}
    replicas_min: {lo=0}
    replicas_max: {most=2}
    pue: {pue=1.25}
    ci_gco2e_per_kwh: {ci=160}
    price_eur_per_replica_hour: 1.05
  - id: waw
    idle_power_w_per_replica: {pi=120}
    energy_j_per_request: {e=5.0}
    max_requests_per_replica: {cap=350,000}
    replicas_min: {lo=1}
    replicas_max: {most=3}
    pue: {pue=1.40}
    ci_gco2e_per_kwh: {ci=610}
    price_eur_per_replica_hour: 0.66

# A started replica draws idle power over the entire horizon; request energy comes on top. PUE multiplies both.
# Integer replicas per zone, requests may be split between the zones at will. Objective: minimum operational
# emissions. The prices and the nightly image pull (11 GB from the registry) are not part of it.
""",
        keep="most lo",
        **replicas(["fsn", "hel", "mad", "waw"]),
    ),
    Item(
        family="replicas",
        kind="mixed",
        level=1,
        marked="""
Spec: joint replica sizing (integer) and load splitting (continuous), objective = operational emissions.
Horizon {T=0.5|12|h} d; {dem=1.5 million|1500000|request} inferences, all served. Idle draw of a deployed replica lasts the whole horizon; inference energy is
incremental.

Site H: idle {pi=0.11|110|W} kW per replica; {e=2.5|9|J/request} mWh per inference; {cap=250,000||request} inferences per replica and horizon; <= {most=3||replica} replicas; {ci=24|24|g/kWh} kgCO2e/MWh.
Site K: idle {pi=160} W per replica; {e=6} J per inference; {cap=0.4 million|400000} inferences per replica and horizon; <= {most=3} replicas; {ci=0.29|290} kgCO2e/kWh.
Site Q: idle {pi=75} W per replica; {e=0.0045|4.5} kJ per inference; {cap=180 thousand|180000} inferences per replica and horizon; <= {most=4} replicas; {ci=120} gCO2e/kWh.

Report the replica counts and the split.
""",
        keep="most",
        **replicas(["H", "K", "Q"]),
    ),
    Item(
        family="replicas",
        kind="contradictory",
        level=2,
        marked="""
Dear planning team,

for Thursday's lottery draw we expect 80,000 ticket checks. A copy of the checking service handles 10,000 of them in Ghent
and 25,000 in Porto. Switched on, a copy consumes 2 kWh for the day in Ghent and 3 kWh in Porto, and every check consumes another
0.5 Wh in either city. Electricity: 150 g CO2e per kWh in Ghent, 220 g in Porto. The state lottery's contract
says that at least five copies have to be running in Ghent. The machine room in Ghent has cooling for no more than 3 copies;
Porto has room for 4.

How many copies do we run in each city for the lowest emissions?

Kind regards, Joana
""",
        conflict=(
            "at least five copies have to be running in Ghent",
            "The machine room in Ghent has cooling for no more than 3 copies",
        ),
        why="The contract asks for five copies in Ghent, where no more than three can run.",
    ),
)
