# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Which way data takes through a network, a family that the knowledge base does not have: the half for judging."""

from __future__ import annotations

from ..flows import path
from ..truth import Item

ITEMS = (
    Item(
        family="path",
        kind="plain",
        level=3,
        marked="""
My cousin keeps the mountain hut and has filmed the chamois: {vol=16||GB} gigabytes, which the museum down in town would like to show. There is no cable up there, so the film must be handed on by radio
from one place to the next, all of it along the same way.

Who can send to whom, and what one gigabyte costs the sender: the hut can send to the lift station ({eb=60||Wh/GB} watt-hours) and to the shepherd ({eb=25}). The shepherd can send to the lift station ({eb=30}) and to the
chapel ({eb=35}). The lift station can send to the school ({eb=12}) and to the museum ({eb=50}). The chapel can only send to the school ({eb=20}), and the school can only send to the museum ({eb=18}).

A kilowatt-hour at the hut comes from the water wheel and makes {ci@1,2=15||g/kWh} grams of CO2, at the shepherd's {ci@3,4=40} grams, at the lift station {ci@5,6=310}, in the chapel {ci@7=120} and at the school {ci@8=260}.

Every sending spoils the picture a little, so there may be no more than {hops=3||count} sendings in all, the first and the last included. I told the museum we would pick the way with the smallest CO2 footprint. Which one is that?
""",
        keep="hops",
        **path(
            ["hut", "shepherd", "lift station", "chapel", "school", "museum"],
            [
                ("hut", "lift station"),
                ("hut", "shepherd"),
                ("shepherd", "lift station"),
                ("shepherd", "chapel"),
                ("lift station", "school"),
                ("lift station", "museum"),
                ("chapel", "school"),
                ("school", "museum"),
            ],
            "hut",
            "museum",
        ),
    ),
    Item(
        family="path",
        kind="plain",
        level=2,
        marked="""
Network desk, please pick the route for our satellite images. Every night {vol=650||GB} GB leave the antenna in Kiruna (KIR) for the office in Lisbon (LIS). Everything takes the same route, and we want the one with
the lowest emissions. Below is what the booking tool exported: first the legs on offer, from left to right only, then what the exchanges use for data passing through them. KIR and LIS are the
same whatever we book and are left out.

leg,Wh per GB,g CO2e per kWh
KIR-STO,{eb=7||Wh/GB},{ci=30||g/kWh}
KIR-OUL,{eb=5},{ci=80}
STO-HAM,{eb=6},{ci=150}
STO-LYS,{eb=40},{ci=110}
OUL-CPH,{eb=9},{ci=130}
CPH-LYS,{eb=11},{ci=150}
HAM-LYS,{eb=8},{ci=240}
HAM-LIS,{eb=16},{ci=210}
LYS-LIS,{eb=8},{ci=120}

exchange,Wh per GB,g CO2e per kWh
STO,{en@2=4||Wh/GB},{cn@2=28||g/kWh}
OUL,{en@3=3},{cn@3=75}
CPH,{en@4=4},{cn@4=140}
HAM,{en@5=5},{cn@5=330}
LYS,{en@6=4},{cn@6=50}
""",
        **path(
            ["KIR", "STO", "OUL", "CPH", "HAM", "LYS", "LIS"],
            [
                ("KIR", "STO"),
                ("KIR", "OUL"),
                ("STO", "HAM"),
                ("STO", "LYS"),
                ("OUL", "CPH"),
                ("CPH", "LYS"),
                ("HAM", "LYS"),
                ("HAM", "LIS"),
                ("LYS", "LIS"),
            ],
            "KIR",
            "LIS",
        ),
    ),
    Item(
        family="path",
        kind="long",
        level=1,
        marked="""
WP4 / T4.2: unsplittable min-CO2e routing of one checkpoint transfer, u -> z

Background. The testbed has 7 optical nodes (u, a, b, c, d, e, z) with 400G transponders, EDFA spacing 80 km and a mean utilisation of 22 %. The checkpoint belongs to a 13 B-parameter model, trained
for 2 epochs; its size is {vol=1.5||TB} TB. Capacity is ample, there is no deadline on the completion of the transfer, and idle power is attributed elsewhere (WP2). Nodes are free of charge; only directed links count.

Per link: length in km, energy in nJ/bit, CI of the feeding grid in gCO2e/kWh, one-way delay in ms.

link; km; nJ/bit; gCO2e/kWh; ms
u>a; 610; {eb=18||nJ/bit}; {ci=45||g/kWh}; {lat=3.1||ms}
u>b; 290; {eb=11}; {ci=380}; {lat=1.5}
u>c; 840; {eb=25}; {ci=28}; {lat=4.3}
a>d; 700; {eb=20}; {ci=60}; {lat=3.6}
a>b; 150; {eb=7}; {ci=210}; {lat=0.8}
b>e; 480; {eb=15}; {ci=290}; {lat=2.4}
b>d; 330; {eb=12}; {ci=175}; {lat=1.7}
c>d; 520; {eb=16}; {ci=30}; {lat=2.7}
d>e; 260; {eb=9}; {ci=140}; {lat=1.3}
d>z; 910; {eb=28}; {ci=95}; {lat=4.6}
e>z; 350; {eb=13}; {ci=240}; {lat=1.8}

Requirement R7 of the control plane: the sum of the one-way delays along the chosen path is at most {lim=9.5||ms} ms. (R1 to R6 concern protection switching within 50 ms and do not apply to a
single transfer.) Deliverable D4.2 is due in month 18. Give the path of least emissions.
""",
        **path(
            ["u", "a", "b", "c", "d", "e", "z"],
            [
                ("u", "a"),
                ("u", "b"),
                ("u", "c"),
                ("a", "d"),
                ("a", "b"),
                ("b", "e"),
                ("b", "d"),
                ("c", "d"),
                ("d", "e"),
                ("d", "z"),
                ("e", "z"),
            ],
            "u",
            "z",
        ),
    ),
    Item(
        family="path",
        kind="under",
        level=2,
        marked="""
We would like the greenest route for the 220 GB of sales data that go from Bratislava to Genoa every evening. Possible routes: via Trieste or via Innsbruck.

Bratislava-Innsbruck 14 Wh/GB, 150 g CO2e/kWh. Innsbruck-Genoa 17 Wh/GB, 260 g CO2e/kWh. Bratislava-Trieste 110 g CO2e/kWh, the provider has not told us the energy per GB on this leg. Trieste-Genoa 12 Wh/GB,
270 g CO2e/kWh.
""",
        questions=(("energy per GB on the leg from Bratislava to Trieste", "Wh/GB"),),
    ),
    Item(
        family="path",
        kind="out",
        level=3,
        marked="""
When I watch films in the garden shed they stutter. The box with the internet is in the hall, 18 metres and two brick walls away, and I own two repeaters of 6 watts each. Should the signal go through
the kitchen window or up over the landing so that the films run smoothly? Our supplier prints 210 grams of CO2 per kilowatt-hour on the bill, in case you need that.
""",
        why="Reception is to be improved; no emissions are minimised.",
    ),
)
