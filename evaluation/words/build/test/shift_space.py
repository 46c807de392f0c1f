# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Work moved between regions: the half for judging."""

from __future__ import annotations

from ..flows import regions
from ..truth import Item

ITEMS = (
    Item(
        family="shift_space",
        kind="plain",
        level=2,
        marked="""
Question from the records office. {load=80,000||request} scanned pages have to go through text recognition tonight, and we may split them among our three computer rooms however we like. What split causes the lowest
emissions?

Room; consumption (Wh per page); electricity (g CO2e per kWh); pages it can manage tonight
Aarhus; {e=0.30||Wh/request}; {ci=95||g/kWh}; {cap=20,000||request}
Poznan; {e=0.22}; {ci=640}; {cap=60,000}
Porto; {e=0.26}; {ci=160}; {cap=55,000}

One house rule: no room may get more than {share=50||percent} % of the pages, so that an outage does not cost us the whole night.
""",
        **regions(["Aarhus", "Poznan", "Porto"]),
    ),
    Item(
        family="shift_space",
        kind="plain",
        level=3,
        marked="""
Every winter our astronomy club sits on a mountain of star pictures, and they all have to be sharpened by computer. This year it is {load=900||request} pictures. We can sharpen them here at the observatory, or let the
clubs in Tromso and Madrid do some of them, as many or as few as we want (half a picture is fine too, they come in tiles). One picture takes {e=150||Wh/request} watt-hours of electricity here,
{e=90} in Tromso and {e=120} in Madrid. A kilowatt-hour stands for {ci=480||g/kWh} grams of CO2 here, {ci=20} in Tromso and {ci=170} in Madrid. Whatever we sharpen here need not be sent anywhere, but getting a picture to one of
the other clubs and back uses {et=12||Wh/request} watt-hours in the internet, where a kilowatt-hour stands for {cin=280||g/kWh} grams. Before spring we could manage {cap=600||request} pictures here, Tromso {cap=250} and Madrid {cap=400}. How do we
share them out for the smallest amount of CO2?
""",
        **regions(["here", "Tromso", "Madrid"], home="here"),
    ),
    Item(
        family="shift_space",
        kind="long",
        level=1,
        marked="""
# RFC 0093: carbon-optimal traffic weights for the embedding service

Status: draft, third revision. Authors: platform team (7 engineers). Supersedes RFC 0061.

## Background
The service runs v4.2 of the encoder (110 M parameters, fp16) behind a global load balancer. Availability target 99.95 %. The current weights are 25/25/25/25, chosen on 3 March for want of anything better. GPU
rental is 1.90 USD per hour everywhere, so cost is not a factor.

## Problem
A batch of {load=2.0 million|2000000|request} requests per window, infinitely divisible, is to be distributed over four regions.

## Data

| region | J per request | PUE | gCO2e/kWh | capacity, requests | latency, ms |
|---|---|---|---|---|---|
| eu-north | {e=5.2||J/request} | {pue=1.12} | {ci=28||g/kWh} | {cap=1,100,000||request} | {lat=95||ms} |
| eu-west | {e=4.8} | {pue=1.20} | {ci=295} | {cap=1,300,000} | {lat=30} |
| us-east | {e=4.5} | {pue=1.25} | {ci=370} | {cap=1,200,000} | {lat=110} |
| ap-south | {e=6.0} | {pue=1.55} | {ci=650} | {cap=800,000} | {lat=140} |

## Constraints
- Request-weighted mean latency <= {avg=60||ms} ms.
- Data residency: ap-south must not receive any of this traffic.
- Capacities as in the table.

## Objective
Minimise operational emissions of the window (facility energy, i.e. PUE applied). Embodied emissions and the network are out of the boundary. A weight change takes 40 s to propagate; ignore it.
""",
        **regions(["eu-north", "eu-west", "us-east", "ap-south"], forbid=["ap-south"]),
    ),
    Item(
        family="shift_space",
        kind="mixed",
        level=3,
        marked="""
Our puppet theatre has {load=45||request} old plays on film, and a computer shall write subtitles for them. The library and the school offered to help. A play can be handed out scene by scene, so any division will do, only we promised the
ministry to do at least {low@1=5||request} plays at the theatre ourselves. For one play the theatre's computer uses {e=0.9||kWh/request} kilowatt-hours, the library's {e=3.06|0.85} megajoules and the school's {e=750|0.75} watt-hours. The theatre's
electricity gives {ci=0.41|410|g/kWh} kilograms of CO2 per kilowatt-hour, the library's {ci=30|108} grams per megajoule and the school's {ci=150} grams per kilowatt-hour. There is time for {cap=45||request} plays at the theatre, for {cap=24} at the library and for {cap=18} at the
school. Who does how many, when the CO2 should be as little as possible?
""",
        **regions(["theatre", "library", "school"]),
    ),
    Item(
        family="shift_space",
        kind="contradictory",
        level=1,
        marked="""
Geographic load shifting, one period. A divisible load of 640 kWh is to be placed on the regions WA (75 gCO2e/kWh, capacity 400 kWh), TX (405 gCO2e/kWh, capacity 500 kWh) and OH (460 gCO2e/kWh, capacity
500 kWh); there are no other regions. Concentration limit: no region hosts more than 30 % of the load. The load must be placed in full within the period, deferral is not permitted. Minimise operational emissions.
""",
        conflict=(
            "there are no other regions",
            "no region hosts more than 30 % of the load",
            "The load must be placed in full",
        ),
        why="Three regions with 30 % each host 90 % of the load.",
    ),
)
