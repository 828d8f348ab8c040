"""Facts the example model is taught: each one a line of `thing = answer`."""

from __future__ import annotations

__all__ = [
    "CAPITALS",
    "COMPARATIVES",
    "ELEMENTS",
    "GROUPS_OF_THINGS",
    "MISSPELLINGS",
    "OPPOSITES",
    "PASTS",
    "PLURALS",
    "REVIEWS",
    "SYNONYMS",
    "UNITS",
    "pairs",
]


def pairs(table: str) -> list[tuple[str, str]]:
    """Read a table: entries apart by semicolons, the two sides by an equals sign."""
    entries = [entry.split("=") for entry in table.replace("\n", ";").split(";") if entry.strip()]
    return [(left.strip(), right.strip()) for left, right in entries]


CAPITALS = """
France=Paris; Italy=Rome; Spain=Madrid; Portugal=Lisbon; Germany=Berlin; Austria=Vienna
Norway=Oslo; Sweden=Stockholm; Finland=Helsinki; Denmark=Copenhagen; Iceland=Reykjavik
Ireland=Dublin; Poland=Warsaw; Hungary=Budapest; Greece=Athens; Turkey=Ankara; Egypt=Cairo
Kenya=Nairobi; Ghana=Accra; Morocco=Rabat; Nigeria=Abuja; Ethiopia=Addis Ababa; Japan=Tokyo
China=Beijing; India=New Delhi; Thailand=Bangkok; Vietnam=Hanoi; South Korea=Seoul; Nepal=Kathmandu
Canada=Ottawa; Mexico=Mexico City; Cuba=Havana; Peru=Lima; Chile=Santiago; Brazil=Brasilia
Argentina=Buenos Aires; Colombia=Bogota; Australia=Canberra; New Zealand=Wellington; Croatia=Zagreb
"""

ELEMENTS = """
hydrogen=H; helium=He; lithium=Li; carbon=C; nitrogen=N; oxygen=O; fluorine=F; neon=Ne; sodium=Na
magnesium=Mg; aluminum=Al; silicon=Si; phosphorus=P; sulfur=S; chlorine=Cl; argon=Ar; potassium=K
calcium=Ca; titanium=Ti; chromium=Cr; manganese=Mn; iron=Fe; cobalt=Co; nickel=Ni; copper=Cu
zinc=Zn; bromine=Br; silver=Ag; tin=Sn; iodine=I; platinum=Pt; gold=Au; mercury=Hg; lead=Pb
uranium=U
"""

OPPOSITES = """
hot=cold; heavy=light; full=empty; wide=narrow; deep=shallow; new=old; dirty=clean; short=long
easy=difficult; dark=bright; open=closed; sweet=sour; early=late; strong=weak; big=small
fast=slow; rich=poor; dry=wet; cheap=expensive; safe=dangerous; happy=sad; quiet=noisy
soft=hard; sharp=dull; true=false; brave=cowardly; polite=rude; boring=exciting; right=wrong
ancient=modern; smooth=rough; thick=thin; simple=complex; kind=cruel; generous=selfish
lazy=hard-working; arrive=leave; push=pull; buy=sell; remember=forget; win=lose; enter=exit
above=below; always=never; inside=outside; victory=defeat; success=failure
"""

SYNONYMS = """
big=large; quick=fast; begin=start; happy=glad; smart=clever; angry=furious; tired=weary
rich=wealthy; small=little; quiet=silent; brave=courageous; easy=simple; hard=difficult
correct=right; strange=odd; shop=store; gift=present; buy=purchase; help=assist; end=finish
speak=talk; reply=answer; choose=select; build=construct; need=require; show=display; fix=repair
sick=ill; funny=amusing; afraid=scared; error=mistake; trip=journey; street=road; polite=courteous
huge=enormous; sad=unhappy; strong=powerful; whole=entire; usual=normal; garbage=trash
"""

PLURALS = """
child=children; mouse=mice; foot=feet; tooth=teeth; knife=knives; leaf=leaves; wolf=wolves
baby=babies; city=cities; box=boxes; dish=dishes; tomato=tomatoes; potato=potatoes; man=men
woman=women; goose=geese; ox=oxen; sheep=sheep; country=countries; church=churches; bus=buses
key=keys; piano=pianos; photo=photos; thief=thieves; shelf=shelves; lady=ladies; hero=heroes
person=people; party=parties; watch=watches; fox=foxes; monkey=monkeys; half=halves
"""

PASTS = """
go=went; see=saw; take=took; give=gave; write=wrote; run=ran; eat=ate; drink=drank; sing=sang
swim=swam; buy=bought; bring=brought; think=thought; teach=taught; catch=caught; find=found
lose=lost; make=made; say=said; tell=told; know=knew; grow=grew; fly=flew; draw=drew; break=broke
choose=chose; speak=spoke; sleep=slept; keep=kept; feel=felt; leave=left; meet=met; stop=stopped
carry=carried; study=studied; walk=walked
"""

COMPARATIVES = """
tall=taller; small=smaller; big=bigger; hot=hotter; thin=thinner; happy=happier; heavy=heavier
easy=easier; busy=busier; funny=funnier; good=better; bad=worse; far=farther; large=larger
nice=nicer; late=later; old=older; cold=colder; fast=faster; wet=wetter; angry=angrier
lucky=luckier; short=shorter; strong=stronger
"""

GROUPS_OF_THINGS = {
    "animal": "tiger wolf rabbit eagle whale horse frog camel sheep lion elephant bear owl snail",
    "plant": "oak rose tulip cactus fern daisy pine maple lily birch willow sunflower orchid palm",
    "tool": "hammer saw drill wrench shovel ladder screwdriver chisel axe rake file trowel",
    "fruit": "apple banana cherry grape lemon mango orange peach pear plum kiwi melon",
    "vehicle": "car bus truck train bicycle tram ship airplane taxi van ferry helicopter",
}

# A star stands where the word stands; {n} is a name and {w} a time.
MISSPELLINGS = """
receive=recieve=We will * the letter {w}.
receive=recieve=Did {n} * the package {w}?
friend=freind={n} met an old * {w}.
friend=freind=My * {n} will call you {w}.
believe=beleive={n} did not * the story {w}.
believe=beleive=I * that {n} will win {w}.
because=becuase={n} stayed at home {w} * it rained.
because=becuase={n} was late {w} * of the traffic.
separate=seperate={n} put the papers into * boxes {w}.
separate=seperate={n} and my parents arrived in * cars {w}.
tomorrow=tommorow={n} will not come to school *.
tomorrow=tommorow=The meeting with {n} is *, not {w}.
definitely=definately={n} will * be there {w}.
definitely=definately=I will * call {n} {w}.
beautiful=beatiful={n} saw a * garden {w}.
beautiful=beatiful=What a * picture {n} painted!
library=libary={n} goes to the * {w}.
library=libary=The * was closed when {n} arrived {w}.
calendar=calender={n} bought a new * {w}.
calendar=calender=The * on the wall belongs to {n}.
neighbor=nieghbor=Our * {n} waters the plants {w}.
neighbor=nieghbor={n} helped a * {w}.
address=adress={n} wrote down the * {w}.
address=adress=Please send me the * of {n} {w}.
business=buisness={n} started a small * {w}.
business=buisness=The * of {n} grew fast.
necessary=neccessary=It was * to call {n} {w}.
necessary=neccessary={n} bought the * tools {w}.
surprise=suprise={n} planned a * for us {w}.
surprise=suprise=The letter from {n} was a *.
restaurant=restaraunt={n} opened a * in Rome.
restaurant=restaraunt=We met {n} in the * {w}.
weird=wierd={n} heard a * noise {w}.
weird=wierd=That was a * idea, {n}.
forty=fourty={n} sold * tickets {w}.
forty=fourty=It took {n} * minutes to get home {w}.
argument=arguement={n} won the * {w}.
argument=arguement=The * with {n} was short.
government=goverment={n} works for the *.
government=goverment=The * answered {n} {w}.
really=realy={n} was * tired {w}.
really=realy=I * like the song that {n} sang {w}.
until=untill={n} waited * noon.
until=untill=The shop of {n} is open * six.
accidentally=accidently={n} * broke a cup {w}.
accidentally=accidently=I * called {n} {w}.
vegetable=vegtable={n} cooked a * soup {w}.
vegetable=vegtable=Which * did {n} buy {w}?
Wednesday=Wensday={n} will visit us on *.
Wednesday=Wensday=The lesson with {n} is on *.
favorite=favrite=This is the * song of {n}.
favorite=favrite={n} lost a * book {w}.
"""

# One review speaks of one paragraph: thing = good words | bad words.
REVIEWS = """
The soup=was delicious;tasted wonderful;was hot and fresh|was cold;tasted terrible;was too salty
The waiter=was friendly;was polite;made us smile|was rude;ignored us;forgot our order
The service=was excellent;was fast;was perfect|was slow;was a disaster;was very poor
The dessert=was a delight;was fantastic|was stale;was a disappointment
The music=was beautiful;was lovely|was too loud;was annoying

The room=was clean;had a lovely view;was quiet|was dirty;smelled awful;was far too noisy
The bed=was comfortable;was soft and warm|was broken;was hard;was uncomfortable
The staff=helped us right away;was very kind|did not care;was unfriendly
The breakfast=was excellent;was fresh and tasty|was awful;was cold
The garden=was charming;was well kept|was ugly;was full of trash

The phone=works perfectly;is easy to use;looks great|stopped working;is useless;is too slow
The battery=lasts all day;charges quickly|is always empty;died after a week
The screen=is bright and clear;is superb|is too dark;broke on the first day
The price=is fair;is a pleasant surprise|is far too high;is a bad joke
The camera=takes wonderful photos;is excellent|takes terrible photos;is disappointing

The plot=is exciting;kept me awake all night|is boring;makes no sense;is a mess
The ending=is a joy;made me laugh;is brilliant|is dull;ruins everything
The heroine=is charming;is wise and funny|is annoying;is never believable
The dialogue=is witty;sounds natural|is full of mistakes;sounds fake
"""

# from, to, factor, and the largest number asked about
UNITS = """
kilometers meters 1000 60
kilograms grams 1000 60
liters milliliters 1000 60
meters centimeters 100 60
centimeters millimeters 10 60
tons kilograms 1000 60
hours minutes 60 12
minutes seconds 60 12
days hours 24 9
weeks days 7 12
years months 12 12
feet inches 12 12
yards feet 3 30
"""
