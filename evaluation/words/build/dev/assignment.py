"""Jobs to sites: the half for building."""

from __future__ import annotations

from ..choices import assignment
from ..truth import Item

ITEMS = (
    Item(
        family="assignment",
        kind="plain",
        level=1,
        marked="""
Binary offloading problem. Three inference tasks (detect, segment, track) are each executed on exactly one of three
nodes: gateway, micro-DC, cloud. Energy per task execution in joules:

| task    | gateway | micro-DC | cloud |
|---------|---------|----------|-------|
| detect  | {e=420||J} | {e=310} | {e=260} |
| segment | {e=900} | {e=640} | {e=500} |
| track   | {e=150} | {e=140} | {e=130} |

Carbon intensity: gateway {ci=90||g/kWh} gCO2e/kWh, micro-DC {ci=210} gCO2e/kWh, cloud {ci=380} gCO2e/kWh.
The gateway can host at most {cap=1||job} task, the micro-DC at most {cap=2}, the cloud at most {cap=3}.
Minimise total operational emissions.
""",
        keep="cap",
        **assignment(["detect", "segment", "track"], ["gateway", "micro-DC", "cloud"]),
    ),
    Item(
        family="assignment",
        kind="plain",
        level=2,
        marked="""
We run four nightly analytics workloads for our shops and want to place each of them at one of our two server rooms,
Lyon or Gdansk, so that our footprint is as small as possible. Lyon draws power at {ci=56||g/kWh} g CO2e per kWh,
Gdansk at {ci=660} g CO2e per kWh. One run consumes the same energy wherever it happens: stock count {ej=1.8||kWh} kWh,
till audit {ej=0.6} kWh, shelf photos {ej=3.5} kWh, footfall {ej=2.2} kWh. Each workload needs storage: stock count
{mem=40||GB} GB, till audit {mem=10} GB, shelf photos {mem=90} GB, footfall {mem=60} GB. Lyon has {room=110||GB} GB
free and Gdansk {room=400} GB. Every workload has to run somewhere, and none can be divided.
""",
        **assignment(["stock count", "till audit", "shelf photos", "footfall"], ["Lyon", "Gdansk"]),
    ),
    Item(
        family="assignment",
        kind="long",
        level=3,
        marked="""
Hi Marta,

as promised, here is the puzzle from the bird reserve. We have had the same three cameras since 2019 (they cost us
about 240 euros each, and one was replaced in March after a storm). North Pond, Heron Tower and Reed Hut each film all
night, and in the morning their footage must be gone through by a bird-recognising program. That can happen on the old
laptop in the visitor centre or on the borrowed workstation at the university, and we do it for each camera in one
place or the other, never half and half.

The laptop uses {p=45||W} watts while it works, the workstation {p=300} watts. North Pond's footage takes the laptop
{t=200||min} minutes, but the workstation only {t=20} minutes; Heron Tower's takes {t=120} minutes on the laptop and
{t=15} on the workstation; Reed Hut's takes {t=80} minutes on the laptop and {t=14} on the workstation. The visitor
centre buys electricity with {ci=120||g/kWh} grams of CO2 per kilowatt-hour and the university's has {ci=150} grams.
The laptop is only free for {capt=150||min} minutes in the morning, the workstation for {capt=60} minutes. Last year
we counted 61 species, by the way, and the volunteers walked 430 km between them!

Where should each camera's footage go so that as little CO2 as possible comes of it?

Love,
Ines
""",
        **assignment(["North Pond", "Heron Tower", "Reed Hut"], ["laptop", "workstation"]),
    ),
    Item(
        family="assignment",
        kind="mixed",
        level=1,
        marked="""
Placement of 4 DNN jobs on 3 servers, exactly one server per job, min. CO2e.

Workloads: J1 {fl=12||Tflop} TFLOP, J2 {fl=850|0.85} GFLOP, J3 {fl=4.5} TFLOP, J4 {fl=30} TFLOP.
Efficiencies: S1 {eff=20||Gflop/J} GFLOP/J, S2 {eff=0.05|50} TFLOP/J, S3 {eff=35} GFLOP/J.
Grid: S1 at {ci=0.045|45|g/kWh} kg CO2e/kWh, S2 at {ci=230} g CO2e/kWh, S3 at {ci=0.12|120} t CO2e/MWh.
Energy of a job is its workload divided by the efficiency of its server. S1 takes {cap=one|1|job} job at
most, S2 and S3 take at most {cap@2,3=2} jobs each.
""",
        keep="cap",
        **assignment(["J1", "J2", "J3", "J4"], ["S1", "S2", "S3"]),
    ),
    Item(
        family="assignment",
        kind="contradictory",
        level=2,
        marked="""
Please plan where our five document-scanning jobs run for the least carbon. We have two offices. Office A emits
80 g CO2e per kWh and Office B 300 g CO2e per kWh; a job consumes 0.4 kWh in either. Each of the five jobs must run in
exactly one office. Office A can take no more than 2 jobs and Office B no more than 2 jobs.
""",
        conflict=(
            "Each of the five jobs must run in\nexactly one office",
            "Office A can take no more than 2 jobs and Office B no more than 2 jobs",
        ),
        why="Five jobs and room for four.",
    ),
)
