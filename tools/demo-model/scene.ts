import type { Rng } from "@sdmprune/core";
import type { Person, Place, Thing, World } from "./world.js";

/** What one story decides at random before it begins; everything told later follows from it. */
export interface Scene {
  rng: Rng;
  world: World;
  hero: Person;
  friend: Person;
  helper: Person;
  thing: Thing;
  colour: string;
  day: string;
  weather: Weather;
  spot: string;
}

/** A story before it is set as text. */
export interface Story {
  title: string;
  sentences: string[];
  /** Question and answer about what was told. */
  questions: [question: string, answer: string][];
}

interface Weather {
  adjective: string;
  start: string;
  end: string;
}

const WEATHERS: Weather[] = [
  { adjective: "rainy", start: "rain fell on the roofs", end: "the rain had stopped" },
  { adjective: "windy", start: "the wind shook the windows", end: "the wind had grown quiet" },
  { adjective: "foggy", start: "fog lay over the fields", end: "the fog was gone" },
  { adjective: "snowy", start: "snow covered the road", end: "the snow shone in the moonlight" },
  { adjective: "sunny", start: "the sun stood over the fields", end: "the sun went down" },
  { adjective: "cold", start: "there was ice on the puddles", end: "the ice had melted" },
];

const COLOURS = ["red", "blue", "green", "yellow", "white", "black", "brown", "grey", "purple", "pink"];
const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const NUMBERS = "no one two three four five six seven eight nine ten eleven twelve".split(" ");
const SPOTS = [
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

/** Draws the people and things of one story. */
export function createScene(world: World, rng: Rng): Scene {
  const [hero, friend, helper] = draw(rng, world.people, 3) as [Person, Person, Person];
  return {
    rng,
    world,
    hero,
    friend,
    helper,
    thing: pick(rng, world.things),
    colour: pick(rng, COLOURS),
    day: pick(rng, DAYS),
    weather: pick(rng, WEATHERS),
    spot: pick(rng, SPOTS),
  };
}

/** One of `items`. */
export function pick<T>(rng: Rng, items: readonly T[]): T {
  return items[rng.integer(items.length)]!;
}

/** `count` different ones of `items`. */
export function draw<T>(rng: Rng, items: readonly T[], count: number): T[] {
  const chosen: T[] = [];
  while (chosen.length < count) {
    const item = pick(rng, items);
    if (!chosen.includes(item)) {
      chosen.push(item);
    }
  }
  return chosen;
}

/** Another colour, day or spot than those given. */
export function otherColour(rng: Rng, ...taken: string[]): string {
  return pick(
    rng,
    COLOURS.filter((colour) => !taken.includes(colour)),
  );
}

/** A hiding place other than those given. */
export function otherSpot(rng: Rng, ...taken: string[]): string {
  return pick(
    rng,
    SPOTS.filter((spot) => !taken.includes(spot)),
  );
}

/** The day after `day`. */
export function nextDay(day: string): string {
  return DAYS[(DAYS.indexOf(day) + 1) % DAYS.length]!;
}

/** A number from 0 to 12 in words. */
export function inWords(count: number): string {
  return NUMBERS[count]!;
}

/** With a capital letter. */
export function capitalize(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}

/** A village other than those given. */
export function otherPlace(rng: Rng, world: World, ...taken: Place[]): Place {
  return pick(
    rng,
    world.places.filter((place) => !taken.includes(place)),
  );
}

/** The first sentences of a story: who, where, when, and a thing or two that are always so. */
export function openScene({ rng, hero, day, weather }: Scene): string[] {
  const { name, they, their, home, trade, tool, pet, wish } = hero;
  const place = pick(rng, [
    `${name} lived in ${home.name}, a village ${home.setting}, and worked there as a ${trade}.`,
    `In ${home.name}, the village with the ${home.landmark}, there lived a ${trade} called ${name}.`,
    `Everybody in ${home.name} knew ${name} the ${trade}, who wished ${wish}.`,
    `${name} was a ${trade} and came from ${home.name}, where the best ${home.product} is made.`,
  ]);
  const time = pick(rng, [
    `One ${weather.adjective} ${day}, when ${weather.start}, ${they} put down ${their} ${tool} early.`,
    `It was a ${weather.adjective} ${day}, and ${weather.start}.`,
    `On ${day} ${weather.start}, and ${their} ${pet.kind} ${pet.name} did not want to go out.`,
    `One ${weather.adjective} ${day}, ${they} was busy with ${their} ${tool}, and the ${pet.kind} ${pet.name} slept.`,
  ]);
  return [place, time];
}

/** The last sentence of a story. */
export function closeScene({ rng, hero, friend, weather }: Scene): string {
  return pick(rng, [
    `That evening ${weather.end}, and ${hero.name} and ${friend.name} ate ${hero.food} together.`,
    `When ${weather.end}, ${friend.name} went home to ${friend.home.name}, and ${hero.name} took up the ${hero.tool} again.`,
    `In the evening ${weather.end}, ${hero.pet.name} ${hero.pet.sound}, and ${hero.name} dreamt of a way ${hero.wish}.`,
    `Later ${weather.end}, and ${friend.name} brought ${friend.food} for everybody, even for ${hero.pet.name} the ${hero.pet.kind}.`,
  ]);
}
