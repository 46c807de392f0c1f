# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""A way through a network: a family that the knowledge base does not have; the half for building."""

from __future__ import annotations

from ..flows import path
from ..truth import Item

ITEMS = (
    Item(
        family="path",
        kind="plain",
        level=2,
        marked="""
Every night we copy {vol=800||GB} GB from our Madrid office to our Vienna office. The copy travels over leased links, all of it
along a single route, and each link goes in one direction only. The links, with the energy per gigabyte and the footprint of the electricity that
feeds them:

Madrid to Paris: {eb=3||Wh/GB} Wh per GB, {ci=60||g/kWh} g CO2e per kWh
Madrid to Genoa: {eb=4} Wh per GB, {ci=230} g
Paris to Zurich: {eb=2} Wh per GB, {ci=90} g
Paris to Cologne: {eb=2} Wh per GB, {ci=380} g
Genoa to Vienna: {eb=3} Wh per GB, {ci=250} g
Zurich to Vienna: {eb=6} Wh per GB, {ci=160} g
Cologne to Vienna: {eb=3} Wh per GB, {ci=310} g

Which route has the lowest emissions?
""",
        **path(
            ["Madrid", "Paris", "Genoa", "Zurich", "Cologne", "Vienna"],
            [
                ("Madrid", "Paris"),
                ("Madrid", "Genoa"),
                ("Paris", "Zurich"),
                ("Paris", "Cologne"),
                ("Genoa", "Vienna"),
                ("Zurich", "Vienna"),
                ("Cologne", "Vienna"),
            ],
            "Madrid",
            "Vienna",
        ),
    ),
    Item(
        family="path",
        kind="plain",
        level=3,
        marked="""
The fire-watch tower on the hill sends its pictures down to the village by way of little masts that pass them on to one another. From
the tower they can go to mast Oak or mast Pine. From Oak they can go on to Pine, or straight to the village. From Pine they can
only go to the village. Everything takes the same way. Tonight there are {vol=50||GB} gigabytes of pictures.

Tower to Oak costs {eb=40||Wh/GB} watt-hours for a gigabyte and is fed with electricity of {ci=500||g/kWh} grams of CO2 per kWh. Tower to
Pine: {eb=90} watt-hours, {ci=500} grams. Oak to Pine: {eb=30}
watt-hours, {ci=100} grams. Oak to the village: {eb=120} watt-hours, {ci=100} grams. Pine to the village: {eb=70} watt-hours, {ci=80} grams.
Which way down makes the least CO2?
""",
        **path(
            ["Tower", "Oak", "Pine", "village"],
            [("Tower", "Oak"), ("Tower", "Pine"), ("Oak", "Pine"), ("Oak", "village"), ("Pine", "village")],
            "Tower",
            "village",
        ),
    ),
    Item(
        family="path",
        kind="long",
        level=1,
        marked="""
Carbon-aware unicast routing (single path, no splitting)

The backbone was commissioned in 2021 (14 routers, of which 6 are modelled; MTU 9000; OSPF area 0; mean time between failures 41 000 h).
A replication job must carry {vol=2||TB} TB from node S to node T. Directed links with transport energy, carbon intensity of the feeding grid and
propagation delay:

| link | kWh/TB | gCO2e/kWh | ms |
|---|---|---|---|
| S-A | {eb=5||kWh/TB} | {ci=40||g/kWh} | {lat=14||ms} |
| S-B | {eb=6} | {ci=300} | {lat=5} |
| A-C | {eb=4} | {ci=55} | {lat=16} |
| A-B | {eb=3} | {ci=120} | {lat=4} |
| B-D | {eb=7} | {ci=210} | {lat=6} |
| C-T | {eb=5} | {ci=30} | {lat=18} |
| D-T | {eb=4} | {ci=350} | {lat=5} |
| C-D | {eb=2} | {ci=90} | {lat=3} |

The delay summed over the path must not exceed {lim=40||ms} ms. Utilisation is below 35 % on all links, so that capacity is
not binding. Find the path with minimum emissions.
""",
        **path(
            ["S", "A", "B", "C", "D", "T"],
            [
                ("S", "A"),
                ("S", "B"),
                ("A", "C"),
                ("A", "B"),
                ("B", "D"),
                ("C", "T"),
                ("D", "T"),
                ("C", "D"),
            ],
            "S",
            "T",
        ),
    ),
    Item(
        family="path",
        kind="mixed",
        level=2,
        marked="""
We send {vol=1.5|1500|GB} TB of backups from the plant to the archive. There are two relay stations, East and West, and the whole
backup takes one route. Plant to East: {eb=0.02|20|Wh/GB} kWh per GB at {ci=0.4|400|g/kWh} kg CO2e per kWh. Plant to West: {eb=45} Wh per GB at {ci=110} g CO2e per kWh.
East to archive: {eb=36|10} kJ per GB at {ci=350} g CO2e per kWh. West to archive: {eb=0.03|30} kWh per GB at {ci=0.19|190} kg CO2e per kWh. Which route emits least?
""",
        **path(
            ["plant", "East", "West", "archive"],
            [("plant", "East"), ("plant", "West"), ("East", "archive"), ("West", "archive")],
            "plant",
            "archive",
        ),
    ),
    Item(
        family="path",
        kind="contradictory",
        level=3,
        marked="""
My sister wants me to send her the 30 gigabytes of wedding pictures so that it makes the least CO2. They can go by way of Ada's
computer or by way of Ben's. To Ada's costs 20 watt-hours per gigabyte and from there to my sister 10; to Ben's costs 15 and from
there 25; the electricity makes 200 grams of CO2 per kWh on Ada's way and 90 on Ben's. The pictures must go through Ada's computer, because
Ada wants to see them, and she also says they must not go through Ada's computer, because it is broken.
""",
        conflict=("The pictures must go through Ada's computer", "they must not go through Ada's computer"),
        why="The pictures must and must not pass through Ada's computer.",
    ),
)
