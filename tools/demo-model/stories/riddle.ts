import { capitalize, closeScene, openScene, pick, type Scene, type Story } from "../scene.js";
import type { Thing } from "../world.js";

/** Two friends ask each other riddles about things, villages and people; who knows the world knows the answers. */
export function riddle(scene: Scene): Story {
  const { rng, hero, friend, helper, thing: prize, colour, spot } = scene;
  const [first, second] = [friend.thing, helper.thing];
  const met = pick(rng, [
    `${friend.name} the ${friend.trade} was there, and they asked each other riddles for a ${colour} ${prize.name}.`,
    `With ${friend.name} from ${friend.home.name} ${hero.they} played at riddles, and the prize was a ${colour} ${prize.name} hidden ${spot}.`,
  ]);
  const ask = (thing: Thing): string =>
    pick(rng, [
      `"It is made of ${thing.material} and is good ${thing.use}. What is it?"`,
      `"What is made of ${thing.material} and is good ${thing.use}?"`,
    ]);
  const firstRound = `${hero.name} asked: ${ask(first)} "A ${first.name}," said ${friend.name}.`;
  const secondRound = `Then ${friend.they} asked: ${ask(second)} "A ${second.name}," said ${hero.name}.`;
  const thirdRound = pick(rng, [
    `"Which village lies ${helper.home.setting} and has a ${helper.home.landmark}?" ${hero.they} went on. "It is ${helper.home.name}," said ${friend.name}, "and there they make ${helper.home.product}."`,
    `"Who is a ${helper.trade} in ${helper.home.name} and likes ${helper.food}?" ${hero.they} went on. "That is ${helper.name}," said ${friend.name}, "with the ${helper.pet.kind} ${helper.pet.name}."`,
  ]);
  const won = pick(rng, [
    `So ${friend.they} won the ${colour} ${prize.name} and took it to ${friend.home.name}.`,
    `${capitalize(friend.they)} had won, and ${hero.name} gave ${friend.them} the ${colour} ${prize.name} of ${prize.material}.`,
  ]);
  return {
    title: `The riddles in ${hero.home.name}`,
    sentences: [...openScene(scene), met, firstRound, secondRound, thirdRound, won, closeScene(scene)],
    questions: [
      [`What was the prize?`, `It was a ${colour} ${prize.name}.`],
      [`Who won it?`, `It was ${friend.name} the ${friend.trade}.`],
      [`What was the answer to the first riddle?`, `It was a ${first.name}.`],
      [`What is ${second.material} good for?`, `It is good for a ${second.name}.`],
      [`Whose riddle was about a ${second.name}?`, `It was that of ${friend.name}.`],
    ],
  };
}
