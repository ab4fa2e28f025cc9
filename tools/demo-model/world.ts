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

/** Somebody of the stories. Home, trade, tool, food, pet and wish never change. */
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
}

/** A thing that is owned, lost, lent and found. Its material and use never change, its colour does. */
export interface Thing {
  name: string;
  material: string;
  use: string;
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

/** Trade and tool. */
const TRADES =
  "baker:dough,smith:hammer,weaver:loom,potter:wheel,tailor:needle,fisher:net,miller:sack,carpenter:saw,painter:brush,gardener:spade,teacher:chalk,doctor:bag,shepherd:staff,hunter:bow,cook:spoon,mason:chisel,sailor:compass,farmer:plough,tanner:knife,printer:press";

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
 * @param seed - Decides who gets which home, trade, food, pet and wish.
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

  const women = WOMEN.split(" ");
  const names = [...women, ...MEN.split(" ")];
  const homes = dealt(placeNames, "homes", names.length);
  const trades = dealt(TRADES.split(","), "trades", names.length);
  const foods = dealt(FOODS.split(","), "foods", names.length);
  const pets = dealt(PETS.split(","), "pets", names.length);
  const petNames = dealt(PET_NAMES.split(" "), "pet-names", names.length);
  const wishes = dealt(WISHES, "wishes", names.length);
  const people = names.map((name, i): Person => {
    const [trade, tool] = trades[i]!.split(":") as [string, string];
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
    };
  });

  const things = THINGS.split("\n").map((line): Thing => {
    const [name, material, use] = line.split(":") as [string, string, string];
    return { name, material, use };
  });
  return { people, places, things };
}
