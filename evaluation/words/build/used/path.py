# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""A way through a network: a family that the knowledge base does not have; once for judging, since looked at."""

from __future__ import annotations

from ..flows import path
from ..truth import Item

ITEMS = (
    Item(
        family="path",
        kind="plain",
        level=1,
        marked="""
Minimum-carbon single-path routing of {vol=300||GB} GB from r1 to r6 in a directed graph. Arcs (Wh/GB, gCO2e/kWh): r1-r2 ({eb=8||Wh/GB}, {ci=410||g/kWh}), r1-r3 ({eb=10}, {ci=190}), r2-r4 ({eb=5}, {ci=70}), r3-r4 ({eb=4}, {ci=150}), r3-r5 ({eb=12}, {ci=60}), r4-r5 ({eb=3}, {ci=220}), r4-r6
({eb=9}, {ci=330}), r5-r6 ({eb=6}, {ci=85}). The path may use at most {hops=3||count} arcs.
""",
        keep="hops",
        **path(
            ["r1", "r2", "r3", "r4", "r5", "r6"],
            [
                ("r1", "r2"),
                ("r1", "r3"),
                ("r2", "r4"),
                ("r3", "r4"),
                ("r3", "r5"),
                ("r4", "r5"),
                ("r4", "r6"),
                ("r5", "r6"),
            ],
            "r1",
            "r6",
        ),
    ),
    Item(
        family="path",
        kind="plain",
        level=2,
        marked="""
Our weather office in Tromso publishes {vol=120||GB} GB of model output a day and hands it to a customer in Athens through relay offices; the whole output follows one route. A relay office consumes energy for every gigabyte that passes through it. The offices in
Tromso and Athens consume the same whichever route is taken, and the lines between offices consume nothing worth counting.

From Tromso, the output can go to Hamburg or to Gdynia. From Hamburg it can go on to Munich or Budapest. From Gdynia it can go on to Budapest only. From Munich and from Budapest it goes to Athens.

Hamburg: {en@2=15||Wh/GB} Wh per GB, {cn@2=340||g/kWh} g CO2e per kWh. Gdynia: {en@3=9} Wh per GB, {cn@3=650} g CO2e per kWh. Munich: {en@4=12} Wh per GB, {cn@4=320} g CO2e per kWh. Budapest: {en@5=14} Wh per GB, {cn@5=200} g CO2e per kWh.

Which route has the lowest daily emissions?
""",
        **path(
            ["Tromso", "Hamburg", "Gdynia", "Munich", "Budapest", "Athens"],
            [
                ("Tromso", "Hamburg"),
                ("Tromso", "Gdynia"),
                ("Hamburg", "Munich"),
                ("Hamburg", "Budapest"),
                ("Gdynia", "Budapest"),
                ("Munich", "Athens"),
                ("Budapest", "Athens"),
            ],
            "Tromso",
            "Athens",
        ),
    ),
    Item(
        family="path",
        kind="long",
        level=3,
        marked="""
The story of the film that had to get to grandmother

Our film of the wedding is {vol=40||GB} gigabytes long (the speech of Uncle Rob alone lasts 48 minutes!), and grandmother, who will be 91, wants to see it on Sunday. It must go from our house to hers by way of the relatives' computers, in one piece and along one way. We can send it to Mia or to Noor. Mia can send it to Pia or to
Sam. Noor can send it to Sam or straight to grandmother. Pia and Sam can both send it to grandmother.

Each of these sendings uses electricity, and takes time:
us to Mia: {eb=25||Wh/GB} watt-hours per gigabyte, {ci=90||g/kWh} grams of CO2 per kilowatt-hour, {lat=2||h} hours
us to Noor: {eb=30} watt-hours, {ci=210} grams, {lat=1} hour
Mia to Pia: {eb=20} watt-hours, {ci=60} grams, {lat=6} hours
Mia to Sam: {eb=35} watt-hours, {ci=180} grams, {lat=3} hours
Noor to Sam: {eb=15} watt-hours, {ci=180} grams, {lat=2} hours
Noor to grandmother: {eb=80} watt-hours, {ci=260} grams, {lat=3} hours
Pia to grandmother: {eb=30} watt-hours, {ci=120} grams, {lat=5} hours
Sam to grandmother: {eb=22} watt-hours, {ci=240} grams, {lat=4} hours

All sendings together may take no longer than {lim=10||h} hours, for then she goes to bed. The cake had 5 layers. Which way makes the least CO2?
""",
        **path(
            ["us", "Mia", "Noor", "Pia", "Sam", "grandmother"],
            [
                ("us", "Mia"),
                ("us", "Noor"),
                ("Mia", "Pia"),
                ("Mia", "Sam"),
                ("Noor", "Sam"),
                ("Noor", "grandmother"),
                ("Pia", "grandmother"),
                ("Sam", "grandmother"),
            ],
            "us",
            "grandmother",
        ),
    ),
    Item(
        family="path",
        kind="under",
        level=3,
        marked="""
I want to send 20 gigabytes of music to my friend Zoe by way of Xia's computer or by way of Yuri's, whichever makes less CO2. By way of Xia's it takes 60 watt-hours a gigabyte in all, with electricity of 310 grams of CO2 per kilowatt-hour. By way of Yuri's it takes 95 watt-hours a gigabyte in all, but I do not know how clean the
electricity on that way is.
""",
        questions=(("carbon intensity of the electricity on Yuri's way", "gCO2e/kWh"),),
    ),
    Item(
        family="path",
        kind="out",
        level=2,
        marked="""
Our packets from Oslo to Rome go through five routers and some of them are lost. Please tell us which command shows where they are lost and how to read its output. The routers are fed with 30 to 350 g CO2e per kWh.
""",
        why="A fault of a network is to be diagnosed; nothing is to be decided in grams.",
    ),
)
