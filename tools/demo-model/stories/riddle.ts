import { closeScene, draw, openScene, otherSpot, pick, type Scene, type Story } from "../scene.js";
import type { Thing } from "../world.js";

/** Two friends ask each other riddles about things, villages and people; who knows the world knows the answers. */
export function riddle(scene: Scene): Story {
  const { rng, world, hero, friend, helper } = scene;
  const [first, second] = draw(rng, world.things, 2) as [Thing, Thing];
  const place = pick(rng, world.places);
  const prize = pick(rng, world.things);
  const spot = otherSpot(rng);
  const met = pick(rng, [
    `${friend.name} the ${friend.trade} was there, and they asked each other riddles for a ${scene.colour} ${prize.name}.`,
    `With ${friend.name} from ${friend.home.name} ${hero.they} played at riddles, and the prize was a ${scene.colour} ${prize.name} hidden ${spot}.`,
  ]);
  const askThing = (thing: Thing): string =>
    pick(rng, [
      `"It is made of ${thing.material}, and one has it ${thing.use}. What is it?"`,
      `"What is made of ${thing.material} and is good ${thing.use}?"`,
    ]);
  const firstRound = `${hero.name} asked: ${askThing(first)} "A ${first.name}," said ${friend.name}.`;
  const secondRound = `${friend.name} asked: ${askThing(second)} "A ${second.name}," said ${hero.name}.`;
  const thirdRound = pick(rng, [
    `"Which village lies ${place.setting} and has a ${place.landmark}?" asked ${hero.name}. "It is ${place.name}," said ${friend.name}, "and there they make ${place.product}."`,
    `"Who is a ${helper.trade} in ${helper.home.name} and likes ${helper.food}?" asked ${hero.name}. "That is ${helper.name}," said ${friend.name}, "with the ${helper.pet.kind} ${helper.pet.name}."`,
  ]);
  const won = pick(rng, [
    `So ${friend.name} won the ${scene.colour} ${prize.name} and took it to ${friend.home.name}.`,
    `${friend.name} had won, and ${hero.name} gave ${friend.them} the ${scene.colour} ${prize.name} of ${prize.material}.`,
  ]);
  return {
    title: `The riddles in ${hero.home.name}`,
    sentences: [...openScene(scene), met, firstRound, secondRound, thirdRound, won, closeScene(scene)],
    questions: [
      [`What was the prize?`, `It was a ${scene.colour} ${prize.name}.`],
      [`Who won it?`, `It was ${friend.name} the ${friend.trade}.`],
      [`What was the answer to the first riddle?`, `It was a ${first.name}.`],
      [`What is ${second.material} good for?`, `It is good for a ${second.name}.`],
      [`Whose riddle was about a ${second.name}?`, `It was that of ${friend.name}.`],
    ],
  };
}
