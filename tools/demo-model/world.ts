import { Rng } from "@sdmprune/core";

/** A village of the stories. What is said of it is the same in every story. */
export interface Place {
  name: string;
  /** Where it lies, e.g. "by the river". */
  setting: string;
  /** What a traveller sees first, e.g. "the stone bridge". */
  landmark: string;
  /** What it is famous for, e.g. "honey". */
  product: string;
}

/** Somebody of the stories. What is said here never changes. */
export interface Person {
  name: string;
  /** "she" or "he". */
  they: string;
  /** "her" or "him". */
  them: string;
  /** "her" or "his". */
  their: string;
  home: Place;
  trade: string;
  tool: string;
  food: string;
  pet: { kind: string; name: string; sound: string };
  wish: string;
  /** Goods that come with the trade. */
  goods: string;
  /** What they own, and its colour. */
  thing: Thing;
  colour: string;
  /** Friends have each other. */
  friend: Person;
  neighbour: Person;
  /** The villages between their home and their friend's. */
  road: readonly [Place, Place];
}

/** A thing that is owned, lost, lent and found. What is said here never changes. */
export interface Thing {
  name: string;
  material: string;
  use: string;
  /** Where it is kept, e.g. "under the bed". */
  spot: string;
}

/** Everything that stays true from story to story. */
export interface World {
  people: readonly Person[];
  places: readonly Place[];
  things: readonly Thing[];
}

const WOMEN =
  "Mira Olga Anna Clara Edith Freya Greta Hanna Ida Judith Lena Marta Nora Paula Rosa Sonia Tilda Ursula Vera Wilma";
const MEN =
  "Adam Boris Conrad David Emil Felix Gregor Hugo Ivan Jonas Karl Lukas Martin Nils Oscar Peter Robert Simon Tobias Victor";

const PLACES =
  "Ashford Birkdale Cedarhill Dunmore Elmstead Fenwick Glenbrook Harwick Ivybridge Kelso Larkfield Marwood Norwell Oakham Pinehurst Redcliff";

const SETTINGS = [
  "by the river",
  "near the sea",
  "in the hills",
  "at the edge of the forest",
  "beside the lake",
  "under the mountain",
  "on the great road",
  "among the vineyards",
];

const LANDMARKS =
  "stone bridge,bell tower,water mill,deep well,round church,fish market,broken castle,giant oak,wooden gate,white school,little ferry,lighthouse,town clock,rose garden,tall statue,long wall";

const PRODUCTS =
  "honey,cheese,rope,wool,salt,candles,apples,pottery,wine,paper,glass,smoked fish,bread,silver,timber,leather";

/** Trade, tool and goods. */
const TRADES =
  "baker:dough:loaves,smith:hammer:nails,weaver:loom:ribbons,potter:wheel:jugs,tailor:needle:buttons,fisher:net:shells,miller:sack:cakes,carpenter:saw:pegs,painter:brush:pictures,gardener:spade:carrots,teacher:chalk:pencils,doctor:bag:pills,shepherd:staff:lambs,hunter:bow:feathers,cook:spoon:eggs,mason:chisel:bricks,sailor:compass:coins,farmer:plough:pears,tanner:knife:belts,printer:press:letters";

const FOODS =
  "plum cake,onion soup,roast chestnuts,pear tart,barley stew,ginger biscuits,fried mushrooms,cherry pie,pumpkin bread,potato pancakes,lentil soup,walnut cake,baked trout,cabbage rolls";

/** Kind and sound. */
const PETS =
  "dog:barked,cat:purred,goat:bleated,hen:clucked,donkey:brayed,goose:honked,pony:snorted,raven:croaked";

const PET_NAMES =
  "Acorn Biscuit Button Clover Copper Daisy Dusty Echo Feather Fig Ginger Hazel Jasper Juniper Magpie Maple Marble Mocha Nettle Nutmeg Olive Patch Peanut Pebble Pepper Pickle Poppy Pudding Raisin Rusty Saffron Shadow Smoky Sorrel Spark Thimble Thistle Treacle Tulip Turnip";

const WISHES = [
  "to sail around the world",
  "to learn to read the stars",
  "to build a house of stone",
  "to sing before the queen",
  "to own a white horse",
  "to write a long book",
  "to find a silver mine",
  "to plant a hundred trees",
  "to dance at the summer fair",
  "to open an inn",
];

export const COLOURS = ["red", "blue", "green", "yellow", "white", "black", "brown", "grey", "purple", "pink"];

export const SPOTS = [
  "under the bed",
  "behind the stove",
  "in the hay",
  "on the roof",
  "beside the pond",
  "under the stairs",
  "inside the barrel",
  "behind the curtain",
  "in the cellar",
  "among the nettles",
  "under the table",
  "in the apple tree",
];

/** Name, material and use. */
const THINGS = `lantern:brass:to light the path
kettle:copper:to boil water
basket:willow:to carry eggs
drum:goatskin:to wake the village
flute:bone:to play old songs
cup:tin:to drink milk
bowl:clay:to serve soup
chest:oak:to keep letters
ring:gold:to remember a friend
bell:iron:to call the sheep
scarf:wool:to keep warm
kite:paper:to play in the wind
boat:pine:to cross the water
comb:horn:to tidy the hair
mirror:glass:to look around corners
key:steel:to open the gate
whistle:cane:to call the birds
ladder:ash:to reach the loft
purse:leather:to hold coins
broom:birch:to sweep the floor
quilt:cotton:to cover the bed
rope:hemp:to pull the cart
clock:silver:to tell the time
saddle:pigskin:to ride the mule`;

/**
 * The world the demo corpus tells of: who lives where, what a village is famous for, what a kettle is made of.
 * A model has to learn these facts, since a story uses them without saying them first.
 *
 * @param seed - Decides who has which home, trade, pet, friend and so on.
 */
export function createWorld(seed: number): World {
  const rng = new Rng(seed, "world");
  const dealt = (items: readonly string[], label: string, count: number): string[] => {
    const source = rng.fork(label);
    const out: string[] = [];
    while (out.length < count) {
      out.push(...source.shuffle(items));
    }
    return out.slice(0, count);
  };

  const placeNames = PLACES.split(" ");
  const settings = dealt(SETTINGS, "settings", placeNames.length);
  const landmarks = dealt(LANDMARKS.split(","), "landmarks", placeNames.length);
  const products = dealt(PRODUCTS.split(","), "products", placeNames.length);
  const places = placeNames.map((name, i) => ({
    name,
    setting: settings[i]!,
    landmark: landmarks[i]!,
    product: products[i]!,
  }));

  const thingLines = THINGS.split("\n");
  const spots = dealt(SPOTS, "spots", thingLines.length);
  const things = thingLines.map((line, i): Thing => {
    const [name, material, use] = line.split(":") as [string, string, string];
    return { name, material, use, spot: spots[i]! };
  });

  const women = WOMEN.split(" ");
  const names = [...women, ...MEN.split(" ")];
  const homes = dealt(placeNames, "homes", names.length);
  const trades = dealt(TRADES.split(","), "trades", names.length);
  const foods = dealt(FOODS.split(","), "foods", names.length);
  const pets = dealt(PETS.split(","), "pets", names.length);
  const petNames = dealt(PET_NAMES.split(" "), "pet-names", names.length);
  const wishes = dealt(WISHES, "wishes", names.length);
  const owned = dealt(
    things.map(({ name }) => name),
    "owned",
    names.length,
  );
  const colours = dealt(COLOURS, "colours", names.length);
  const strangers = names.map((name, i) => {
    const [trade, tool, goods] = trades[i]!.split(":") as [string, string, string];
    const [kind, sound] = pets[i]!.split(":") as [string, string];
    const isWoman = i < women.length;
    return {
      name,
      they: isWoman ? "she" : "he",
      them: isWoman ? "her" : "him",
      their: isWoman ? "her" : "his",
      home: places.find((place) => place.name === homes[i])!,
      trade,
      tool,
      food: foods[i]!,
      pet: { kind, name: petNames[i]!, sound },
      wish: wishes[i]!,
      goods,
      thing: things.find((thing) => thing.name === owned[i])!,
      colour: colours[i]!,
    };
  });
  return { people: acquaint(strangers, places, rng.fork("acquaint")), places, things };
}

/** Pairs people off as friends and gives each a neighbour from the next pair and a road to the friend. */
function acquaint(
  strangers: readonly Omit<Person, "friend" | "neighbour" | "road">[],
  places: readonly Place[],
  rng: Rng,
): Person[] {
  const people = rng.shuffle(strangers) as Person[];
  people.forEach((person, i) => {
    person.friend = people[i ^ 1]!;
    person.neighbour = people[(i + 2) % people.length]!;
  });
  for (const person of people) {
    const between = places.filter((place) => place !== person.home && place !== person.friend.home);
    const [first, second] = rng.shuffle(between) as [Place, Place];
    person.road = [first, second];
  }
  return people;
}
