import { closeScene, draw, openScene, otherColour, pick, type Scene, type Story } from "../scene.js";
import type { Thing } from "../world.js";

/** Three people swap three things; who has what in the end follows from the order of the swaps. */
export function exchange(scene: Scene): Story {
  const { rng, world, hero, friend, helper, day } = scene;
  const [first, second, third] = draw(rng, world.things, 3) as [Thing, Thing, Thing];
  const firstColour = scene.colour;
  const secondColour = otherColour(rng, firstColour);
  const thirdColour = otherColour(rng, firstColour, secondColour);
  const wanted = pick(rng, [
    `${hero.name} had a ${firstColour} ${first.name} but needed something ${third.use}.`,
    `"A ${firstColour} ${first.name} is good ${first.use}," said ${hero.name}, "but I need a ${third.name}."`,
  ]);
  const owners = pick(rng, [
    `${friend.name} the ${friend.trade} had a ${secondColour} ${second.name}, and ${helper.name} the ${helper.trade} had a ${thirdColour} ${third.name}.`,
    `In ${helper.home.name} ${helper.name} owned a ${thirdColour} ${third.name}, and ${friend.name} of ${friend.home.name} owned a ${secondColour} ${second.name}.`,
  ]);
  const firstSwap = pick(rng, [
    `On ${day} ${hero.name} gave the ${first.name} to ${friend.name} for the ${second.name}.`,
    `First ${hero.name} and ${friend.name} swapped: the ${firstColour} ${first.name} for the ${secondColour} ${second.name}.`,
  ]);
  const secondSwap = pick(rng, [
    `Then ${hero.name} gave the ${secondColour} ${second.name} to ${helper.name} and got the ${third.name} of ${third.material}.`,
    `${helper.name} wanted ${second.use}, so ${helper.they} took the ${second.name} and gave ${hero.name} the ${thirdColour} ${third.name}.`,
  ]);
  const sum = pick(rng, [
    `Now ${hero.name} had the ${third.name}, ${friend.name} had the ${first.name}, and ${helper.name} had the ${second.name}.`,
    `In the end the ${first.name} was with ${friend.name}, the ${second.name} with ${helper.name}, and the ${third.name} with ${hero.name}.`,
  ]);
  return {
    title: `The ${first.name}, the ${second.name} and the ${third.name}`,
    sentences: [...openScene(scene), wanted, owners, firstSwap, secondSwap, sum, closeScene(scene)],
    questions: [
      [`Who had the ${first.name} in the end?`, `It was ${friend.name}.`],
      [`Who had the ${second.name} in the end?`, `It was ${helper.name}.`],
      [`Who had the ${third.name} in the end?`, `It was ${hero.name}.`],
      [`What colour was the ${second.name}?`, `It was ${secondColour}.`],
      [`Where does ${helper.name} live?`, `It is ${helper.home.name}, ${helper.home.setting}.`],
    ],
  };
}
