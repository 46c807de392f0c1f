# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Which variant of a model serves whom: the half for judging."""

from __future__ import annotations

from ..selections import variant
from ..truth import Item

ITEMS = (
    Item(
        family="variant",
        kind="plain",
        level=1,
        marked="""
LLM serving: select one quantisation per endpoint (endpoint pinned to its region) s.t. score and p95 constraints, min daily gCO2e.

Builds: int4 (score {acc=0.72}, p95 {lat=350||ms} ms), int8 (score {acc=0.79}, p95 {lat=520} ms), bf16 (score {acc=0.84}, p95 {lat=880} ms).

Measured energy, J per request:
endpoint    int4   int8   bf16
chat        {ek=110||J/request}    {ek=165}    {ek=290}
summarise   {ek=640}    {ek=610}    {ek=1150}
code        {ek=260}    {ek=390}    {ek=720}
(summarise: the int4 kernel falls back for long contexts, hence the figure.)

Endpoint requirements:
chat: {n=180000||request} requests/day, score >= {floor=0.75}, p95 <= {lim=600||ms} ms, grid {ci=95||g/kWh} gCO2e/kWh
summarise: {n=40000} requests/day, score >= {floor=0.70}, p95 <= {lim=1500} ms, grid {ci=410} gCO2e/kWh
code: {n=25000} requests/day, score >= {floor=0.82}, p95 <= {lim=900} ms, grid {ci=230} gCO2e/kWh
""",
        **variant(["chat", "summarise", "code"], ["int4", "int8", "bf16"]),
    ),
    Item(
        family="variant",
        kind="plain",
        level=2,
        marked="""
Hi team, quick question on the photo check in customer service. The vendor sells it in four editions and we can set the edition separately for Warranty, Returns and Repairs; whatever we set
for a department applies to all of its photos.

  • Lite sorts {acc=84||percent} % of photos correctly and needs {e=0.02||Wh/image} Wh per photo
  • Core sorts {acc=88} % correctly, {e=0.05} Wh per photo
  • Plus sorts {acc=93} % correctly, {e=0.14} Wh per photo
  • Max sorts {acc=97} % correctly, {e=0.40} Wh per photo

Weekly photos: Warranty {n=3000||image}, Returns {n=14000}, Repairs {n=9000}. The service agreement says that, counted over all photos of a week from the three departments, {floor=89||percent} % or more have to be
sorted correctly. Besides, the insurer does not accept Lite for Warranty. Our power comes at {ci=350||g/kWh} g CO2e/kWh. Which setting gives us the smallest weekly footprint?
""",
        **variant(
            ["Warranty", "Returns", "Repairs"],
            ["Lite", "Core", "Plus", "Max"],
            average=True,
            forbid=[("Warranty", "Lite")],
        ),
    ),
    Item(
        family="variant",
        kind="long",
        level=3,
        marked="""
Our allotment club (founded 1931, 64 plots, waiting list of 5 years) has a fox problem and a hedgehog hope. So in March Tunde, who is retired from the railways and 71, put up cameras at
three places: the henhouse, the compost and the pond. They cost 39 euros apiece and one already had to be dried in a bag of rice.

Every picture is looked at by a little program that says what animal it is. There are four of these programs, and for every place we have to settle on one of them. Sparrow uses {e=1.5||mWh/request} milliwatt-hours for a picture, thinks
for {lat=0.4||s} seconds and names {acc=80||percent} animals in a hundred rightly. Jay uses {e=4} milliwatt-hours, thinks for {lat=5} seconds and names {acc=87} in a hundred rightly. Owl uses {e=9} milliwatt-hours, thinks for {lat=1.8} seconds and
names {acc=93} in a hundred. Eagle uses {e=30} milliwatt-hours, thinks for {lat=6} seconds and names {acc=97} in a hundred.

At the henhouse about {n=250||request} pictures a day are taken, at the compost {n=600} and at the pond {n=90}. At the henhouse the flap must fall before the fox is in: the thinking may last {lim@1=2||s} seconds at
most, and at least {floor=85||percent} in a hundred must be right, or we lock out our own hens (we have 14). At the compost we want at least {floor=85} in a hundred, at the pond at least {floor=95}, for the newt count that goes to
the county; there is no hurry at either, {lim@2,3=10} seconds would do. The clubhouse pays for the electricity, 23 cents a kilowatt-hour, and each kilowatt-hour brings {ci=275||g/kWh} grams of CO2.

Gisela says take Eagle everywhere and be done. I say that is wasteful. What should we set at each place to keep our CO2 per day as low as we can? The summer fair is on the 19th, I would love to put the answer on a poster.
""",
        **variant(["henhouse", "compost", "pond"], ["Sparrow", "Jay", "Owl", "Eagle"]),
    ),
    Item(
        family="variant",
        kind="mixed",
        level=2,
        marked="""
For the chat assistant of our hotels three models are on the table, and each kind of message gets one of them.

With Pocket our machine is busy for {t=400||ms} ms on every message and draws {p=0.09|90|W} kW meanwhile; a share of {acc=0.84|84|percent} of the answers was acceptable in the trial. House
keeps it busy for {t=0.7|700} s at {p=160} W, and {acc=90} % were acceptable. Grand wants {p=0.35|350} kW during {t=1500} ms and got {acc=95} % of its answers accepted.

Messages per month: bookings {n=52 thousand|52000|request}, housekeeping {n=18000}, complaints {n=2.5 thousand|2500}. Share of acceptable answers required: bookings {floor=88||percent} %, housekeeping {floor=0.8|80}, complaints {floor=94} %.

Bookings and complaints are handled at head office, where electricity stands at {ci@1,3=0.31|310|g/kWh} kg CO2e/kWh. Housekeeping messages stay in the hotels, at {ci@2=145} g CO2e/kWh.

What should we choose to emit as little as possible per month?
""",
        **variant(["bookings", "housekeeping", "complaints"], ["Pocket", "House", "Grand"]),
    ),
    Item(
        family="variant",
        kind="contradictory",
        level=1,
        marked="""
Choose one detector for the single request class "lane" (8e5 frames/day, 290 gCO2e/kWh), minimum emissions.
n: 0.06 J/frame, mAP 0.41, 9 ms
s: 0.14 J/frame, mAP 0.48, 16 ms
l: 0.52 J/frame, mAP 0.57, 34 ms
Hard constraints: mAP >= 0.55; latency <= 20 ms. Batching, pruning or other detectors are not available.
""",
        conflict=("mAP >= 0.55", "latency <= 20 ms"),
        why="Only l reaches the mAP, and it takes 34 ms where 20 are allowed.",
    ),
)
