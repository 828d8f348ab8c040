"""People, verbs and things: what the sentences of the example data are made of."""

from __future__ import annotations

__all__ = [
    "ANIMALS",
    "ANIMAL_PLACES",
    "ANIMAL_VERBS",
    "CHILDREN",
    "GROUPS",
    "KIN",
    "NAMES",
    "PLACES",
    "PREDICATES",
    "ROLES",
    "TIMES",
    "VERBS",
    "VERBS_AT_WORK",
    "listed",
]


def listed(text: str) -> list[str]:
    """Read a list: entries apart by semicolons or line ends."""
    return [entry.strip() for entry in text.replace("\n", ";").split(";") if entry.strip()]


NAMES = listed("""
Anna; Ben; Carla; David; Emma; Felix; Grace; Henry; Ivy; Jack; Karen; Leo; Maria; Noah; Olivia
Paul; Rosa; Sam; Tina; Victor; Wendy; Oscar; Lucy; Peter; Julia; Mark; Nina; Tom
""")

CHILDREN = """
child children
boy boys
girl girls
student students
pupil pupils
player players
"""

ROLES = """
teacher teachers
doctor doctors
nurse nurses
farmer farmers
artist artists
chef chefs
engineer engineers
neighbor neighbors
secretary secretaries
baker bakers
woman women
man men
actress actresses
waiter waiters
waitress waitresses
lawyer lawyers
fisherman fishermen
policewoman policewomen
lady ladies
boss bosses
gardener gardeners
tourist tourists
"""

ANIMALS = """
cat cats
dog dogs
mouse mice
goose geese
wolf wolves
sheep sheep
calf calves
fox foxes
pony ponies
deer deer
horse horses
rabbit rabbits
monkey monkeys
hen hens
butterfly butterflies
duck ducks
"""

ANIMAL_VERBS = listed("sleep; run; hide; rest; wait; eat; play; jump")
ANIMAL_PLACES = listed("""
in the barn; behind the house; under the tree; near the river; in the field; on the grass
all day; every night; in the sun; across the road
""")

KIN = listed("""
my sister; my brother; my uncle; my aunt; my grandmother; my cousin; our neighbor; my best friend
her father; his mother; our coach; the old man; the young woman; the new student; he; she
""")

GROUPS = listed("""
the children; my parents; the students; our neighbors; the twins; my friends; the two sisters
the tourists; his grandparents; the boys; they; we
""")

TIMES = listed("on Monday; on Friday; on Sunday; after lunch; after work; in the afternoon")

# A letter after each verb names the groups it goes with: "wg" is "once" and "garden".
PLACES = {
    "t": listed("every morning; every evening; every weekend; every Saturday; every summer"),
    "w": listed(
        "after lunch; before dinner; in the afternoon; in the evening; at noon; after breakfast"
    ),
    "h": listed("at home; in the kitchen; in the living room"),
    "o": listed("in the park; by the river; near the lake"),
    "g": listed("in the garden; behind the house"),
    "s": listed("at school; in the library"),
    "k": listed("in the garage; in the workshop"),
    "f": listed("in the office; before the meeting"),
    "m": listed("at the market; in town"),
}

# base [past participle] | objects, + marks a plural | groups of places
VERBS = """
write wrote written|a letter;a short story;a poem;+long letters|tws
draw drew drawn|a map;a picture;a red house;+small animals|whs
sing sang sung|a song;an old song;a folk song|two
eat ate eaten|an apple;a sandwich;the soup;+two bananas|wo
drink drank drunk|a glass of water;a cup of tea;the juice|twh
bake|a cake;the bread;+cookies;an apple pie|tw
feed fed fed|the cat;+the ducks;+the birds;the rabbit|t
wash|+the dishes;the dog;+the cups;the car|twh
clean|the room;+the windows;the table;the bathroom|tw
open|the window;the door;the box|tw
close|the window;the gate;the door|tw
find found found|a coin;the key;+old stamps;a gold ring|wo
lose lost lost|the ball;the key;+the gloves;a shoe|wo
break broke broken|a plate;a cup;the vase;the mirror|w
buy bought bought|a ticket;a newspaper;+fresh flowers;a loaf of bread|twm
choose chose chosen|a book;a red scarf;a gift;+two songs|w
carry|the basket;the bag;a heavy box;+the chairs|w
throw threw thrown|the ball;a stone;a stick;+snowballs|wo
catch caught caught|the ball;a big fish;a butterfly|wo
plant|a tree;+flowers;+tomatoes;a rose bush|wg
water|+the plants;+the roses;+the flowers;the lawn|twg
build built built|a tower;a tree house;a birdhouse;+sandcastles|wg
fly flew flown|a kite;a paper plane;+colorful kites|wo
ride rode ridden|a bike;an old bicycle;a white horse;a pony|two
watch|a movie;the game;+the clouds;the news|tw
play|the piano;the guitar;+card games;the drums|twh
learn|a new song;+ten new words;a poem|tws
study|the map;+the rules;+the planets;the old book|ws
answer|the question;the phone;+all questions;the email|w
solve|the puzzle;a riddle;the problem|ws
visit|the museum;the zoo;the old castle;+the gardens|tw
cook|the rice;a meal;+the potatoes;a vegetable soup|tw
paint|the fence;the gate;+the walls;the bench|w
make made made|a salad;a paper boat;a plan;+sandwiches|tw
take took taken|a photo;+two photos;the bus;a short walk|two
hide hid hidden|the key;a gift;+the sweets;the letter|w
forget forgot forgotten|the umbrella;the key;+the tickets;the name|w
wear wore worn|a red hat;a blue coat;+black boots;a warm scarf|t
hear heard heard|a strange noise;the bell;+loud voices|w
see saw seen|a rainbow;an owl;+many birds;a fox|wo
"""

VERBS_AT_WORK = """
repair|the car;the roof;an old clock;+bicycles|wk
drive drove driven|the bus;a truck;a taxi;the tractor|tw
sign|the contract;the letter;+the papers|wf
send sent sent|an email;the report;+the invoices;a package|wf
check|the report;+the numbers;the list;the engine|tw
print|the report;+the tickets;the letter|wf
deliver|the mail;+the packages;the newspaper;a pizza|tw
prepare|the meal;the speech;the lesson;+the documents|tw
explain|the rule;the plan;the problem;+the results|w
translate|the book;a letter;the speech;+two poems|w
design|a bridge;a new logo;a small garden|w
order|a pizza;+new chairs;a taxi;+the books|w
rent|a car;a boat;a small house|t
organize|a party;the meeting;a concert;+the games|tw
lead led led|the team;the group;the meeting|t
pay paid paid|the bill;the rent;+the workers|w
grow grew grown|+potatoes;corn;+roses;+carrots|tg
sell sold sold|+fresh eggs;the house;a used car;+old books|wm
cancel|the meeting;the trip;the order|w
plan planned planned|a trip;the party;the project|w
measure|the room;the distance;the table|w
lock|the door;the gate;the shop|t
test|the machine;+the brakes;a new recipe|w
teach taught taught|the class;a new song;+young artists|tw
"""

# subject | what can be said of it
PREDICATES = """
the soup|hot;cold;salty;delicious
the bag|heavy;light;full;empty
the street|wide;narrow;quiet;dangerous
the river|deep;wide;cold
+the shoes|new;old;dirty;expensive
the test|easy;difficult;short;long
the room|dark;bright;small;clean
the box|open;heavy;empty;light
+the apples|sweet;sour;ripe;fresh
the bus|late;early;full;slow
the coffee|strong;weak;cold;hot
the movie|boring;exciting;long;funny
+the streets|empty;wet;noisy;safe
the house|old;big;modern;expensive
the water|clean;warm;cold;deep
+the windows|open;dirty;clean;closed
the knife|sharp;dull;clean
the city|rich;poor;modern;noisy
+the boys|tired;hungry;polite;brave
my sister|tall;happy;angry;busy
our teacher|kind;strict;young;friendly
the bread|fresh;dry;soft;cheap
the bridge|safe;high;narrow;old
+the tickets|cheap;expensive
the dog|hungry;lazy;thin;friendly
the night|dark;long;quiet;cold
the story|true;false;short;sad
the road|straight;long;wet;dangerous
+the towels|dry;wet;soft;rough
the answer|right;wrong;simple
"""
