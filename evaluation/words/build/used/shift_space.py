# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Work moved between regions: once for judging, since looked at."""

from __future__ import annotations

from ..flows import regions
from ..truth import Item

ITEMS = (
    Item(
        family="shift_space",
        kind="plain",
        level=3,
        marked="""
Our choir wants its {load=600||request} old tape recordings cleaned of hiss by computer. Four friends have offered their machines and we can give each friend as many tapes as we like
(a tape may even be cut in pieces). Cleaning one tape takes {e=50||Wh/request} watt-hours at Ann's, {e=70} at Bo's, {e=40} at Cleo's and {e=60} at Dan's. A kilowatt-hour
makes {ci=350||g/kWh} grams of CO2 at Ann's, {ci=90} at Bo's, {ci=500} at Cleo's and {ci=130} at Dan's. Ann can take {cap=400||request} tapes at most, Bo {cap=150}, Cleo {cap=600} and Dan
{cap=200}. How many tapes for whom, if the CO2 is to be least?
""",
        **regions(["Ann", "Bo", "Cleo", "Dan"]),
    ),
    Item(
        family="shift_space",
        kind="plain",
        level=1,
        marked="""
Spatial shifting with transfer carbon. A training workload of {load=1200||kWh} kWh, arbitrarily divisible, originates in DE. Regions: DE ({ci=380||g/kWh} gCO2e/kWh), FR
({ci=55} gCO2e/kWh), SE ({ci=30} gCO2e/kWh), PL ({ci=690} gCO2e/kWh). Moving work out of DE adds {tr@2=25||g/kWh} gCO2e for every kWh executed in FR, {tr@3=60}
gCO2e for every kWh in SE and {tr@4=15} gCO2e for every kWh in PL; executing in DE adds none. Capacity: DE {cap=1000||kWh} kWh, FR {cap=500} kWh, SE {cap=600} kWh, PL {cap=1000} kWh. Policy forbids more than
{share=40||percent} % of the workload in any single region. Minimise emissions.
""",
        **regions(["DE", "FR", "SE", "PL"], home="DE"),
    ),
    Item(
        family="shift_space",
        kind="long",
        level=2,
        marked="""
Dear partner,

thank you for the visit (the strudel was excellent, and 4 of us missed the train). To business: image tagging for the autumn catalogue. There are {load=3 million|3000000|request}
images to tag, which can be shared out among our locations in whatever proportion. Each location must tag the images it gets by the 30th.

Location figures:
 - Bergen: {e=1.1||Wh/request} Wh per image, electricity {ci=25||g/kWh} g CO2e/kWh, overhead factor of the building (PUE) {pue=1.2}, no more than {cap=0.6 million|600000|request} images
 - Leeds: {e=0.9} Wh per image, {ci=210} g CO2e/kWh, PUE {pue=1.35}, no more than {cap=1.5 million|1500000} images
 - Turin: {e=1.0} Wh per image, {ci=300} g CO2e/kWh, PUE {pue=1.25}, no more than {cap=2 million|2000000} images
 - Split: {e=0.8} Wh per image, {ci=190} g CO2e/kWh, PUE {pue=1.6}, no more than {cap=1 million|1000000} images

Because of the customer contract, no images at all may go to Split. By contract as well, Turin must tag at least {low@3=0.4 million|400000|request} images. Rates are 12 EUR per thousand images in
all locations, and we employ 85 people in Turin. Catalogue number 52 will have 640 pages.

Please send the shares with the smallest emissions.

With kind regards
A. Bianchi
""",
        **regions(["Bergen", "Leeds", "Turin", "Split"], forbid=["Split"]),
    ),
    Item(
        family="shift_space",
        kind="mixed",
        level=3,
        marked="""
My friends and I look for prime numbers, which is the kind of work that can be shared out in crumbs. This month's search needs {load=0.3|300|kWh} megawatt-hours of
electricity. Nils has clean power, {ci=35||g/kWh} grams of CO2 per kilowatt-hour, and can take on {cap=250|69.44444444444444|kWh} megajoules of it; Olga has {ci=0.14|140} kilograms per
kilowatt-hour and can take on {cap=120} kilowatt-hours; Pavel has {ci=0.48|480} kilograms per kilowatt-hour and can take on {cap=0.4|400} megawatt-hours. How much should each
of the three take to make the least CO2?
""",
        **regions(["Nils", "Olga", "Pavel"]),
    ),
    Item(
        family="shift_space",
        kind="contradictory",
        level=2,
        marked="""
We distribute 900 kWh of data processing between Lisbon (140 g CO2e per kWh, at most 300 kWh), Riga (180 g, at most 250 kWh) and Sofia (420 g, at most 200 kWh), in any
proportion. All 900 kWh have to be processed in these three places. Which distribution has the lowest emissions?
""",
        conflict=(
            "at most 300 kWh",
            "at most 250 kWh",
            "at most 200 kWh",
            "All 900 kWh have to be processed",
        ),
        why="The three places together take 750 kWh.",
    ),
)
