# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Which models to keep at the edge: the half for building."""

from __future__ import annotations

from ..selections import cache
from ..truth import Item

ITEMS = (
    Item(
        family="cache",
        kind="plain",
        level=1,
        marked="""
Model caching at an edge node with {room=6||GB} GB of memory. A model that is cached consumes a holding energy over the day; a model that is
not cached has to be fetched from the cloud for every request.

model | size GB | requests per day | fetch energy per request (J) | holding energy per day (Wh)
---|---|---|---|---
asr | {size=4||GB} | {n=900||request} | {fe=800||J/request} | {he=60||Wh}
ocr | {size=2} | {n=150} | {fe=400} | {he=30}
llm | {size=9} | {n=300} | {fe=1800} | {he=130}
det | {size=3} | {n=2000} | {fe=600} | {he=45}
tts | {size=5} | {n=250} | {fe=1000} | {he=70}

CI at the edge (holding): {cie=260||g/kWh} gCO2e/kWh; CI charged for fetching: {cio=190||g/kWh} gCO2e/kWh. Choose the cached set with minimal emissions.
""",
        **cache(["asr", "ocr", "llm", "det", "tts"]),
    ),
    Item(
        family="cache",
        kind="plain",
        level=2,
        marked="""
Our shop terminal can keep some of its four AI features loaded; the others are downloaded anew whenever a customer asks for
them. It has {room=6||GB} GB for that. Translate is {size=3||GB} GB and asked for {n=120||request} times a day, Try-on is {size=4} GB and
asked for {n=60} times, Recipes is {size=1} GB and asked for {n=200} times, and Sizing is {size=2} GB and asked for {n=20} times. Downloading
consumes {eb=0.03||kWh/GB} kWh per GB. A feature that stays loaded draws a constant {hp=8||W} W for Translate, {hp=11} W for Try-on, {hp=3} W
for Recipes and {hp=6} W for Sizing during the {T=12||h} opening hours. All of this electricity emits {cie=330||g/kWh} g CO2e per kWh. Which features should
stay loaded so that the day's emissions are lowest?
""",
        **cache(["Translate", "Try-on", "Recipes", "Sizing"]),
    ),
    Item(
        family="cache",
        kind="long",
        level=3,
        marked="""
The caravan has a clever box in it, 7 years old, with a crack in the lid. On our trip of 16 days the children may ask it for five
sorts of cleverness, and whatever is not already sitting in the box must come over the air from the city every single time.
There is space in the box for {room=19||GB} gigabytes, and no more than {least=3||count} of the five sorts may sit in it, or it gets too hot (it reached 61
degrees in Spain).

- The star guide: {size=6||GB} gigabytes, we ask about {n=40||request} times on the trip, fetching takes {fe=9||Wh/request} watt-hours each time, keeping it for the trip takes {he=150||Wh} watt-hours.
- The bird guide: {size=5} gigabytes, {n=70} times, {fe=7} watt-hours each time, keeping it takes {he=140}.
- The story teller: {size=12} gigabytes, {n=32} times, {fe=20} watt-hours each time, keeping it takes {he=310}.
- The route finder: {size=3} gigabytes, {n=90} times, {fe=4} watt-hours each time, keeping it takes {he=100}.
- The joke machine: {size=4} gigabytes, {n=15} times, {fe=6} watt-hours each time, keeping it takes {he=120}.

Keeping is paid from the camp sites' electricity at {cie=350||g/kWh} grams of CO2 per kilowatt-hour, fetching from the city's at {cio=290||g/kWh}. We pay 31 euros a
night for the pitch. Which sorts should sit in the box for the least CO2?
""",
        keep="least",
        **cache(["star guide", "bird guide", "story teller", "route finder", "joke machine"]),
    ),
    Item(
        family="cache",
        kind="under",
        level=1,
        marked="""
Edge model caching: models M1 (3 GB, 500 requests/day), M2 (5 GB, 200 requests/day), M3 (2 GB, 90 requests/day). Fetching an uncached model
costs 40 kJ per GB for each request; holding a cached model costs 50 Wh, 80 Wh and 30 Wh per day respectively. CI is 240 gCO2e/kWh at the edge and
for fetching. The cached models must fit into the memory of the node. Minimise emissions.
""",
        questions=(("memory of the edge node", "GB"),),
    ),
    Item(
        family="cache",
        kind="out",
        level=3,
        marked="""
My computer keeps forgetting my passwords although I told it to remember them, and it says "cache full" in red letters. It has 8
gigabytes and the electricity here makes 240 grams of CO2 per kWh. How do I get rid of the red letters?
""",
        why="A fault of a computer; nothing is to be decided in grams.",
    ),
)
