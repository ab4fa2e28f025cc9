import { capitalize, closeScene, inWords, openScene, pick, type Scene, type Story } from "../scene.js";

const GOODS = [
  "apples",
  "pears",
  "nuts",
  "eggs",
  "candles",
  "coins",
  "buttons",
  "carrots",
  "feathers",
  "shells",
];

/** Things are gathered, shared and counted; every number after the first two follows from them. */
export function counting(scene: Scene): Story {
  const { rng, hero, friend, helper, thing, colour } = scene;
  const goods = pick(rng, GOODS);
  const total = 5 + rng.integer(8);
  const shared = 1 + rng.integer(total - 4);
  const left = total - shared;
  const later = 1 + rng.integer(left - 2);
  const rest = left - later;
  const gathered = pick(rng, [
    `${capitalize(hero.they)} had ${inWords(total)} ${goods} in a ${colour} ${thing.name}.`,
    `"One, two, three," ${hero.they} counted, and there were ${inWords(total)} ${goods} beside the ${colour} ${thing.name}.`,
  ]);
  const gave = pick(rng, [
    `${friend.name} the ${friend.trade} came from ${friend.home.name}, and ${hero.name} gave ${friend.them} ${inWords(shared)}.`,
    `${hero.name} gave ${inWords(shared)} to ${friend.name}, who had come with ${friend.pet.name}, the ${friend.pet.kind}.`,
  ]);
  const counted = pick(rng, [
    `Now ${hero.they} had ${inWords(left)} ${goods} left.`,
    `If one takes ${inWords(shared)} from ${inWords(total)}, then ${inWords(left)} ${goods} are left.`,
  ]);
  const again = pick(rng, [
    `Then ${helper.name}, a ${helper.trade}, asked for ${inWords(later)}, and ${inWords(rest)} remained.`,
    `After that ${hero.they} took ${inWords(later)} to ${helper.name} in ${helper.home.name}, ${helper.home.setting}, and only ${inWords(rest)} remained.`,
  ]);
  const thanked = pick(rng, [
    `"Thank you for the ${goods}," said ${friend.name}. "I did not hope for ${inWords(shared)}."`,
    `${helper.name} was glad, for with ${inWords(later)} ${goods} ${helper.they} could make ${helper.food}.`,
  ]);
  return {
    title: `The ${inWords(total)} ${goods}`,
    sentences: [...openScene(scene), gathered, gave, counted, again, thanked, closeScene(scene)],
    questions: [
      [`How many ${goods} were there at first?`, `There were ${inWords(total)}.`],
      [`How many did ${friend.name} get?`, `It was ${inWords(shared)}.`],
      [`How many did ${helper.name} get?`, `It was ${inWords(later)}.`],
      [`How many ${goods} remained?`, `There were ${inWords(rest)}.`],
      [`What is the trade of ${helper.name}?`, `It is that of a ${helper.trade}.`],
    ],
  };
}
