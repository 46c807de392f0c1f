# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""How many copies where: the half for building."""

from __future__ import annotations

from ..flows import replicas
from ..truth import Item

ITEMS = (
    Item(
        family="replicas",
        kind="plain",
        level=2,
        marked="""
We must answer {dem=90000||request} requests in the next hour and may start copies of our service in three locations. A copy in
Oslo can answer {cap=20000||request} requests in the hour, a copy in Lille {cap=25000}, a copy in Brno {cap=30000}. A running copy
consumes {ei=150||Wh} Wh in the hour even when nobody asks (Oslo), {ei=140} Wh (Lille) or {ei=160} Wh (Brno), and on top of
that {e=6||mWh/request} mWh for each request in Oslo, {e=5} mWh in Lille, {e=5.5} mWh in Brno. No more than {most=2||replica} copies fit in Oslo,
{most=3} in Lille and {most=4} in Brno. Electricity: Oslo {ci=30||g/kWh}, Lille {ci=60}, Brno {ci=480} g CO2e per kWh. How many copies
should run where, and who answers how many requests, for the least carbon?
""",
        keep="most",
        **replicas(["Oslo", "Lille", "Brno"]),
    ),
    Item(
        family="replicas",
        kind="plain",
        level=3,
        marked="""
On Saturday {dem=5000||request} visitors will ask our museum guide program a question each. Helpers (copies of the program) can be
started in the cellar and in the tower. One helper in the cellar manages {cap=1500||request} questions during the day, one in the tower
{cap=800}. There is room for {most=2||replica} helpers in the cellar and {most=5} in the tower. A helper that is
switched on drinks {pi=60||W} watts in the cellar and {pi=35} watts in the tower for the whole {T=10||h}-hour day, questions or
not; each question costs {e=900||J/request} joules more in the cellar and {e=1200} joules more in the tower. The cellar has the
village's electricity with {ci=400||g/kWh} grams of CO2 per kWh, the tower has our own windmill's with {ci=20} grams. All
questions must be answered. How many helpers do we switch on in each place to make the least CO2?
""",
        keep="most",
        **replicas(["cellar", "tower"]),
    ),
    Item(
        family="replicas",
        kind="long",
        level=1,
        marked="""
Replica placement and request routing, evening peak

Context: the service is a 7-billion-parameter summariser (vocabulary 32 000, context 4 096), container image 14 GB,
availability target 99.9 %, on call: team Kestrel, 6 people. Prices are not part of the objective. Release 2.31.

Demand over the {T=4||h} h window: {dem=120000||request} requests, all to be served. Sites:

site | idle power per replica | marginal energy per request | capacity per replica in the window | replicas (min-max) | PUE | CI
---|---|---|---|---|---|---
edge-a | {pi=90||W} W | {e=14||J/request} J | {cap=15000||request} requests | {lo=1||replica}-{most=3||replica} | {pue=1.1} | {ci=190||g/kWh} g/kWh
edge-b | {pi=70} W | {e=18} J | {cap=10000} requests | {lo=0}-{most=4} | {pue=1.1} | {ci=75} g/kWh
core | {pi=220} W | {e=9} J | {cap=50000} requests | {lo=0}-{most=2} | {pue=1.4} | {ci=330} g/kWh

A replica that is provisioned draws its idle power for the full window. Minimise operational emissions (IT energy times PUE times CI).
""",
        keep="most lo",
        **replicas(["edge-a", "edge-b", "core"]),
    ),
    Item(
        family="replicas",
        kind="under",
        level=3,
        marked="""
Two bakeries share a computer program that takes orders. It may run as up to 3 copies at the north bakery and up to 3 at the
south one. Each copy that is on uses 200 watt-hours over the day, plus 1 watt-hour for every order it takes, at either bakery. The north's electricity
makes 90 g of CO2 per kWh and the south's 310 g. A copy can take 400 orders a day. All orders of the day must be taken.
How many copies on which side make the least CO2?
""",
        questions=(("number of orders in the day", "request"),),
    ),
    Item(
        family="replicas",
        kind="out",
        level=2,
        marked="""
Please review our contract with the hosting provider: they promise 3 replicas in Oslo and 2 in Lille at 60 g CO2e per kWh,
but clause 9 lets them change the location with 30 days' notice. Is that clause legally binding in Norway?
""",
        why="A legal opinion is asked for.",
    ),
)
