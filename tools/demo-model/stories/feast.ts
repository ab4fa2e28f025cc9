import { capitalize, closeScene, openScene, pick, type Scene, type Story } from "../scene.js";
import type { Person } from "../world.js";

/** A feast to which everybody brings the food they love and the product of their village. */
export function feast(scene: Scene): Story {
  const { rng, hero, friend, helper, thing, colour } = scene;
  const invited = pick(rng, [
    `${hero.name} gave a feast and invited ${friend.name} and ${helper.name}.`,
    `There was to be a feast in ${hero.home.name}, and ${hero.they} sent letters to ${friend.name} and to ${helper.name}.`,
  ]);
  const prepared = pick(rng, [
    `On the table ${hero.they} put ${hero.food} and a ${colour} ${thing.name} of ${thing.material}.`,
    `${capitalize(hero.they)} made ${hero.food}, and a ${colour} ${thing.name} stood in the middle of the table.`,
  ]);
  const talked = pick(rng, [
    `"I want ${friend.wish}," said ${friend.name}, and ${helper.name} said: "And I want ${helper.wish}."`,
    `They talked of what they wished: ${helper.name} wanted ${helper.wish}, and ${friend.name} wanted ${friend.wish}.`,
  ]);
  const given = pick(rng, [
    `When they left, ${hero.name} gave the ${colour} ${thing.name} to ${helper.name}, who could use it ${thing.use}.`,
    `${helper.name} liked the ${thing.name} so much that ${hero.name} gave it to ${helper.them} ${thing.use}.`,
  ]);
  return {
    title: `The feast in ${hero.home.name}`,
    sentences: [
      ...openScene(scene),
      invited,
      prepared,
      arrive(scene, friend),
      arrive(scene, helper),
      talked,
      given,
      closeScene(scene),
    ],
    questions: [
      [`What did ${friend.name} bring?`, `It was ${friend.food}.`],
      [`What did ${helper.name} bring?`, `It was ${helper.food}.`],
      [`Who got the ${colour} ${thing.name}?`, `It was ${helper.name}.`],
      [`What does ${friend.name} want?`, `It is ${friend.wish}.`],
    ],
  };
}

function arrive({ rng }: Scene, guest: Person): string {
  return pick(rng, [
    `${guest.name} the ${guest.trade} came from ${guest.home.name} and brought ${guest.food} and ${guest.home.product}.`,
    `From ${guest.home.name}, ${guest.home.setting}, came ${guest.name} with ${guest.food}, and ${guest.their} ${guest.pet.kind} ${guest.pet.name} ${guest.pet.sound}.`,
    `Next came ${guest.name} with ${guest.their} ${guest.tool} and a plate of ${guest.food}, for ${guest.they} was a ${guest.trade}.`,
  ]);
}
