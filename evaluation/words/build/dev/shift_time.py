# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Work moved in time: the half for building."""

from __future__ import annotations

from ..flows import spread, starts
from ..truth import Item

ITEMS = (
    Item(
        family="shift_time",
        kind="plain",
        level=3,
        marked="""
Tonight I want my computer to do two chores while everyone sleeps: copying the family films, which keeps it busy for
{dur=2} hours without a break at {p=120||W} watts, and teaching itself to sort our photographs, {dur=3} hours without a
break at {p=260} watts. It can only do {most=one|1} chore at a time, the two after each other in either order. Each
{step=hour|1|h} of the night has its own dirtiness of electricity, in grams of CO2 per kWh: 22:00 {ci=310||g/kWh},
23:00 {ci=280}, 0:00 {ci=190}, 1:00 {ci=160}, 2:00 {ci=150}, 3:00 {ci=175}, 4:00 {ci=240}, 5:00 {ci=330}. Chores begin
on the hour, not before 22:00, and all must be done by 6:00. When should each begin so that the night makes the least CO2?
""",
        keep="dur most step",
        **starts(["copying the family films", "sorting photographs"], 8),
    ),
    Item(
        family="shift_time",
        kind="plain",
        level=1,
        marked="""
Temporal load shifting, divisible jobs, 6 hourly slots. Forecast carbon intensity (gCO2e/kWh), slots 1-6:
{ci=400||g/kWh}, {ci=350}, {ci=220}, {ci=180}, {ci=260}, {ci=390}.

Job A needs {et=6||kWh} kWh in total within slots {rel=1} to {dl=4}; job B needs {et=9} kWh within slots {rel=2} to
{dl=6}. In any slot job A may draw at most {em=3||kWh} kWh and job B at most {em=4} kWh; the two together at most
{cap=5||kWh} kWh in a slot. Find the schedule with minimal emissions.
""",
        keep="rel dl",
        **spread(["A", "B"], 6),
    ),
    Item(
        family="shift_time",
        kind="long",
        level=2,
        marked="""
Subject: retraining window for the recommendation models (please read to the end, Tom)

Tom,

Finance has approved the retraining budget (38 000 EUR for the year, so no complaints there) and the office move is on
the 14th. Compliance reminds us that the models are 94 days old. What we still lack is a start time for each of the
three retraining runs tomorrow. A run cannot be paused once it has begun.

Runs and what they need:
* Search ranking: {dur=3} hours, {e=40||kWh} kWh for every hour that it runs, not before hour {rel=1}, finished by the end of hour {dl=8}
* Basket hints: {dur=2} hours, {e=25} kWh for every hour, not before hour {rel=3}, finished by the end of hour {dl=10}
* Mail digest: {dur=1} hour, {e=60} kWh, not before hour {rel=1}, finished by the end of hour {dl=6}

The cluster has room for {most=2} runs at the same time. There are 64 accelerators and the room is kept at 23 degrees,
neither of which matters here. The utility gave us its grid forecast for hours 1 to 10, in g CO2e per kWh:

{ci=420||g/kWh} {ci=390} {ci=300} {ci=210} {ci=205} {ci=230} {ci=280} {ci=260} {ci=190} {ci=350}

Runs begin at the start of an hour. I would like the three start hours with the smallest footprint on my desk by five.

Regards, Helene (extension 4417)
""",
        keep="dur rel dl most",
        **starts(["Search ranking", "Basket hints", "Mail digest"], 10),
    ),
    Item(
        family="shift_time",
        kind="mixed",
        level=2,
        marked="""
We have to charge two electric vans overnight and can pause charging whenever we like. Van 1 needs {et=18||kWh} kWh in
total, van 2 needs {et=25.2|7} MJ.

Each charger gives no more than {pm=7.2||kW} kW, the vans' own limits being equal. The site's connection allows
{pcap=9000|9|kW} W for both vans together. The hours (each {step=60|1|h} minutes long) and their grid figures are:
first {ci=0.30|300|g/kWh} kg/kWh, second {ci=210} g/kWh, third {ci=0.14|140} kg/kWh, fourth {ci=155} g/kWh, fifth
{ci=0.26|260} kg/kWh, all CO2e. Both vans must be full when the fifth hour ends. Which hours should they charge in for the
lowest emissions?
""",
        keep="step",
        **spread(["Van 1", "Van 2"], 5),
    ),
    Item(
        family="shift_time",
        kind="contradictory",
        level=1,
        marked="""
Schedule one non-preemptive batch job of duration 5 h and constant power 2 kW in a horizon of 6 hourly slots with
carbon intensities 300, 250, 200, 180, 220 and 310 gCO2e/kWh so that its emissions are minimal. The job is released at
the start of slot 3 and its deadline is the end of slot 5.
""",
        conflict=("duration 5 h", "released at\nthe start of slot 3 and its deadline is the end of slot 5"),
        why="Five hours do not fit into the three from slot 3 to slot 5.",
    ),
)
