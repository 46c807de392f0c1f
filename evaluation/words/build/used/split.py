# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Where to cut a network: once for judging, since looked at."""

from __future__ import annotations

from ..choices import split
from ..truth import Item

ITEMS = (
    Item(
        family="split",
        kind="plain",
        level=1,
        marked="""
Split inference, single cut. Candidate cuts L0, L3, L7, L12. Device energy per inference: {ed=0.01||J}, {ed=0.24}, {ed=0.55} and {ed=1.30} J. Activation
size to transmit: {by=1.2||MB}, {by=0.8}, {by=0.1} and {by=0.004} MB. Remote energy per inference: {er=0.95||J}, {er=0.70}, {er=0.40} and {er=0} J. Transport energy:
{eb=0.4||J/MB} J/MB. Carbon intensity: device {cid=520||g/kWh}, network {cin=300||g/kWh}, remote {cir=60||g/kWh} gCO2e/kWh (transport counts at the
network's). The activation may be no larger than {most=1||MB} MB. Minimise gCO2e per inference.
""",
        **split(["L0", "L3", "L7", "L12"]),
    ),
    Item(
        family="split",
        kind="plain",
        level=2,
        marked="""
Our hearing aid app shares its work between the phone and a data centre, and we must decide after which of five blocks the phone stops and the data
centre takes over. Per minute of speech:

Stop after block 1: phone {ed=1.0||J} J, {by=900||kB} kB uploaded, data centre {er=9.0||J} J, delay {lat=210||ms} ms.
Stop after block 2: phone {ed=2.5} J, {by=700} kB uploaded, data centre {er=7.0} J, delay {lat=190} ms.
Stop after block 3: phone {ed=4.5} J, {by=250} kB uploaded, data centre {er=5.0} J, delay {lat=140} ms.
Stop after block 4: phone {ed=7.0} J, {by=200} kB uploaded, data centre {er=2.0} J, delay {lat=150} ms.
Stop after block 5: phone {ed=9.5} J, {by=5} kB uploaded, data centre {er=0.5} J, delay {lat=175} ms.

Uploading consumes {eb=4||J/MB} J per MB from the phone. The phone is charged with electricity of {cid=150||g/kWh} g CO2e per kWh; the data centre buys at {cir=330||g/kWh} g
CO2e per kWh. Delay must stay within {lim=160||ms} ms. Which block gives the lowest emissions for a minute of speech?
""",
        **split(["block 1", "block 2", "block 3", "block 4", "block 5"]),
    ),
    Item(
        family="split",
        kind="long",
        level=3,
        marked="""
You asked how the toy owl knows who is talking to it. Well! The owl has a tiny brain in its belly, and there is a bigger brain in the toy
shop's computer in the next town (the shop opened in 1987 and sells 300 owls a year at 49 euros). The listening is done in three steps and the owl may do none, one, two
or all three of them; the shop's computer does those that remain. Owls come in grey and brown, and each has 2 batteries.

If the owl does none, it uses {ed=0.1||J} joules and the shop {er=5||J} joules, and {by=160||kB} kilobytes fly through the air.
If it does one, it uses {ed=0.8} joules, the shop {er=4.2}, and {by=90} kilobytes fly.
If it does two, it uses {ed=2.0} joules, the shop {er=2.5}, and {by=12} kilobytes fly.
If it does all three, it uses {ed=4.6} joules, the shop {er=0}, and {by=1} kilobyte flies.

A megabyte in the air costs the owl {eb=3||J/MB} joules. The owl is loaded at our house with {cid=240||g/kWh} grams of CO2 per kilowatt-hour and the
shop's computer runs on {cir=310||g/kWh} grams per kilowatt-hour. The owl's belly has room for {room=10||MB} megabytes of brain: none of the steps needs {mem=0||MB},
one needs {mem=3} megabytes, two need {mem=8} and all three need {mem=14} megabytes. Let us count with {n=1000||request} questions, as many as my niece asked last month.
What should the owl do by itself so that those questions make the least CO2? It takes 3 seconds to hoot.
""",
        keep="n",
        **split(["none", "one", "two", "all three"]),
    ),
    Item(
        family="split",
        kind="mixed",
        level=2,
        marked="""
For our parcel camera we choose one of three hand-over points. Per parcel:
A) camera {ed=80|0.08|J} mJ, sends {by=2.0||MB} MB, server {er=0.001|3.6|J} Wh.
B) camera {ed=0.9} J, sends {by=400|0.4} kB, server {er=2.1} J.
C) camera {ed=0.0007|2.52} Wh, sends {by=0} MB, server {er=0} J.
Sending takes {eb=0.5||J/MB} J per MB from the camera. Camera site: {cid=0.21|210|g/kWh} kg CO2e/kWh; server site: {cir=120||g/kWh} g CO2e/kWh, PUE {pue=1.5}.
We sort {n=40 thousand|40000|request} parcels a day. Which hand-over point has the smallest footprint per day?
""",
        **split(["A", "B", "C"]),
    ),
    Item(
        family="split",
        kind="contradictory",
        level=1,
        marked="""
Choose one cut of a DNN for minimal CO2e. Cut 1: device 0.2 J, 500 kB sent, server 1.0 J, latency 90 ms. Cut 2: device 0.6 J, 100 kB sent, server 0.5 J,
latency 70 ms. Cut 3: device 1.4 J, 0 kB sent, server 0 J, latency 120 ms. Transport 1 J/MB at the device's intensity. CI: device 300, server
90 gCO2e/kWh. The latency must not exceed 60 ms.
""",
        conflict=("latency 90 ms", "latency 70 ms", "latency 120 ms", "latency must not exceed 60 ms"),
        why="The fastest cut takes 70 ms; the limit is 60 ms.",
    ),
)
