# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""How many copies where: once for judging, since looked at."""

from __future__ import annotations

from ..flows import replicas
from ..truth import Item

ITEMS = (
    Item(
        family="replicas",
        kind="plain",
        level=1,
        marked="""
Integer replica scaling with routing over four zones, horizon {T=1||h} h, demand {dem=400000||request} requests (all must be served).
Per zone: z1: idle {pi=180||W} W/replica, {e=2.0||J/request} J/request, capacity {cap=80000||request} requests/replica, max {most=3||replica} replicas, CI {ci=410||g/kWh} gCO2e/kWh.
z2: idle {pi=150} W, {e=2.6} J/request, {cap=60000} requests, max {most=2}, CI {ci=120} gCO2e/kWh.
z3: idle {pi=210} W, {e=1.8} J/request, {cap=100000} requests, max {most=4}, CI {ci=280} gCO2e/kWh.
z4: idle {pi=90} W, {e=3.5} J/request, {cap=30000} requests, max {most=5}, CI {ci=35} gCO2e/kWh.
A started replica draws its idle power for the whole horizon, plus the energy of the requests it serves. Minimise total emissions.
""",
        keep="most",
        **replicas(["z1", "z2", "z3", "z4"]),
    ),
    Item(
        family="replicas",
        kind="plain",
        level=2,
        marked="""
How many instances of our price engine should we run tomorrow, and where? We expect {dem=1200000||request} queries over the day and every one has to be answered. In Dublin an instance handles up
to {cap=250000||request} queries a day, consumes {ei=3.6||kWh} kWh a day for being switched on and {e=4||J/request} J for each query; we may run up to {most=4||replica} there. In Warsaw an instance handles up to {cap=300000}
queries a day, consumes {ei=3.0} kWh a day for being switched on and {e=3.5} J for each query; we may run up to {most=6} there. Building overhead (PUE) is {pue=1.2} in Dublin and {pue=1.5} in Warsaw. Electricity
emits {ci=300||g/kWh} g CO2e per kWh in Dublin and {ci=640} g in Warsaw. We want the fewest emissions.
""",
        keep="most",
        **replicas(["Dublin", "Warsaw"]),
    ),
    Item(
        family="replicas",
        kind="long",
        level=3,
        marked="""
The great pancake contest is coming (last year 311 people came and ate 1 204 pancakes, and a dog ate 9 more)! Every guest's pancake is judged from a photograph by a program, and this year we count on
{dem=2500||request} photographs. Clones of the judging program can be woken in the fire station, in the school and in the mill. A clone that is awake uses electricity all day long even if no photograph
arrives: {ei=0.7||kWh} kilowatt-hours in the fire station, {ei=0.5} in the school, {ei=0.9} in the mill. And each photograph costs another {e=0.4||Wh/request} watt-hours in the fire station, {e=0.6} in the school, {e=0.3} in the mill. In one
day a clone can judge {cap=700||request} photographs in the fire station, {cap=500} in the school and {cap=1000} in the mill. There is room for up to {most=2||replica} clones in the fire station, up to {most=3} in the school and up to {most=2} in the mill; and at the
school at least {lo@2=1||replica} must be awake, for the children want to watch. The fire station's electricity makes {ci=220||g/kWh} grams of CO2 per kilowatt-hour, the school's {ci=140}, the mill's {ci=310}.
Entry is 4 euros, and there is lemonade.

How many clones do we wake, and where, so that the contest makes the least CO2?
""",
        keep="most lo",
        **replicas(["fire station", "school", "mill"]),
    ),
    Item(
        family="replicas",
        kind="mixed",
        level=3,
        marked="""
We keep a question-and-answer robot for our allotment gardens. On a summer Sunday it gets {dem=1.8 thousand|1800|request} questions and answers all of them. Twins of the robot may sit in the shed or in the club house. One twin in the shed answers
up to {cap=450||request} questions in the {T=720|12|h} minutes that we are open, one in the club house up to {cap=0.7 thousand|700}. A twin uses {pi=25||W} watts in the shed and {pi=0.06|60} kilowatts in the club house for as long as we are open;
every question costs {e=0.5||Wh/request} watt-hours more in the shed and {e=1080|0.3} joules more in the club house. No more than {most=3||replica} twins fit in the shed and no more than {most=2} in the club house. The shed's power makes {ci=0.05|50|g/kWh} kilograms of CO2
per kilowatt-hour, the club house's {ci=330} grams. How many twins go where for the least CO2?
""",
        keep="most",
        **replicas(["shed", "club house"]),
    ),
    Item(
        family="replicas",
        kind="contradictory",
        level=1,
        marked="""
Replica placement: demand 10000 requests, all to be served. Site A: capacity 1500 requests per replica, at most 3 replicas, idle 100 Wh, 1 Wh/request, 90 gCO2e/kWh. Site B: capacity 2000 requests per replica, at
most 2 replicas, idle 120 Wh, 1 Wh/request, 300 gCO2e/kWh. Minimise emissions.
""",
        conflict=(
            "demand 10000 requests",
            "capacity 1500 requests per replica, at most 3 replicas",
            "capacity 2000 requests per replica, at\nmost 2 replicas",
        ),
        why="Three replicas of 1500 and two of 2000 serve 8500 requests; 10000 must be served.",
    ),
)
