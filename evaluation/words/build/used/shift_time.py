# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Work moved in time: once for judging, since looked at."""

from __future__ import annotations

from ..flows import spread, starts
from ..truth import Item

ITEMS = (
    Item(
        family="shift_time",
        kind="plain",
        level=2,
        marked="""
Two nightly jobs have to be scheduled on our cluster. The backup runs for {dur=4} hours and consumes {et=20||kWh} kWh in all, evenly over its run; the index rebuild
runs for {dur=2} hours and consumes {et=14} kWh in all, evenly over its run. Neither may be interrupted. Both start on the hour, may start from 18:00, and must
be finished by 06:00; they may overlap. The grid's emissions in g CO2e per kWh, hour by hour:

18:00 {ci=470||g/kWh}
19:00 {ci=480}
20:00 {ci=455}
21:00 {ci=410}
22:00 {ci=330}
23:00 {ci=300}
00:00 {ci=240}
01:00 {ci=225}
02:00 {ci=230}
03:00 {ci=215}
04:00 {ci=290}
05:00 {ci=370}

At what hour should each start for the lowest emissions?
""",
        keep="dur",
        **starts(["backup", "index rebuild"], 12),
    ),
    Item(
        family="shift_time",
        kind="plain",
        level=3,
        marked="""
My pond pump must run {dur=5||h} hours today, at {p=800||W} watts, and it does not matter when or in how many pieces (even parts of an hour are fine). The wind decides how clean the
electricity is. In the ten hours from seven in the morning the grams of CO2 per kilowatt-hour are, one {step=hour|1|h} after the other:
{ci=310||g/kWh}, {ci=300}, {ci=250}, {ci=190}, {ci=170}, {ci=165}, {ci=200}, {ci=260}, {ci=320} and {ci=340}. When should it run to leave the least CO2 behind?
""",
        keep="step",
        **spread(["pump"], 10),
    ),
    Item(
        family="shift_time",
        kind="long",
        level=1,
        marked="""
Carbon-aware batch scheduling on a day-ahead forecast

System: a 40-node cluster (idle consumption is excluded from the boundary), Slurm 24.05, 2 administrators, UPS rated 80 kVA, mean queue of 13 jobs.
Four preemptible jobs are to be spread over 24 hourly slots; within a slot a job may receive any amount of energy between 0 and its slot limit.

| job | total energy (kWh) | slot limit (kWh) | first slot | last slot |
|-----|----|----|----|----|
| genome | {et=60||kWh} | {em=10||kWh} | {rel=1} | {dl=24} |
| climate | {et=45} | {em=15} | {rel=1} | {dl=12} |
| render | {et=20} | {em=8} | {rel=9} | {dl=18} |
| finetune | {et=36} | {em=12} | {rel=13} | {dl=24} |

All jobs together are limited to {cap=22||kWh} kWh per slot. Average intensity forecast (gCO2e/kWh) for slots 1 to 24:
{ci=255||g/kWh} {ci=240} {ci=232} {ci=228} {ci=235} {ci=262} {ci=310} {ci=365} {ci=350} {ci=290} {ci=215} {ci=160} {ci=138} {ci=142} {ci=170} {ci=225} {ci=305}
{ci=390} {ci=440} {ci=452} {ci=430} {ci=385} {ci=320} {ci=280}

The forecast was issued at 11:40 UTC with a MAPE of 6.3 %. Determine the energy per job and slot with the lowest total emissions.
""",
        keep="rel dl",
        **spread(["genome", "climate", "render", "finetune"], 24),
    ),
    Item(
        family="shift_time",
        kind="under",
        level=1,
        marked="""
Schedule a single non-preemptive job of 3 h in a day of 8 hourly slots with carbon intensity 380, 350, 270, 210, 190, 240, 330 and 400
gCO2e/kWh, slots 1 to 8. The job may start at the beginning of any slot and must end by the end of slot 8. Report the emissions of the optimum.
""",
        questions=(("power or energy of the job", "W"),),
        variants=(
            {
                "text": "A start hour without grams could be given, since one job's best start does not depend on "
                "its power; but grams are asked for, so the power must be.",
            },
        ),
    ),
    Item(
        family="shift_time",
        kind="out",
        level=2,
        marked="""
We pay 0.31 EUR per kWh from 7 to 21 and 0.19 EUR per kWh otherwise. Our batch job needs 5 kWh and takes two hours. When should it start so that our
electricity bill is as small as possible? (Grid carbon is 300 g per kWh all day, which we do not consider.)
""",
        why="The bill in euros is minimised; carbon is said not to be considered.",
    ),
)
