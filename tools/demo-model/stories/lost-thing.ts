import { capitalize, closeScene, openScene, otherSpot, pick, type Scene, type Story } from "../scene.js";

/** Something is missed, looked for in the wrong place, and found where somebody saw it. */
export function lostThing(scene: Scene): Story {
  const { rng, hero, friend, helper, thing, colour, spot } = scene;
  const wrongSpot = otherSpot(rng, spot);
  const missed = pick(rng, [
    `${capitalize(hero.they)} wanted ${thing.use}, but the ${colour} ${thing.name} was gone.`,
    `There was only one thing ${hero.they} needed ${thing.use}, and that was the ${colour} ${thing.name} of ${thing.material}, but ${hero.they} could not find it.`,
    `"Where is my ${colour} ${thing.name}?" ${hero.they} cried, for ${hero.they} wanted ${thing.use}.`,
  ]);
  const searched = pick(rng, [
    `${capitalize(hero.they)} looked ${wrongSpot}, but it was not there.`,
    `First ${hero.they} searched ${wrongSpot}, and found nothing but dust.`,
    `Even ${wrongSpot} there was no ${thing.name}.`,
  ]);
  const asked = pick(rng, [
    `Then ${hero.name} asked ${friend.name}, who was a ${friend.trade} in ${friend.home.name}.`,
    `So ${hero.they} went to ${friend.home.name}, ${friend.home.setting}, to ask ${friend.name} the ${friend.trade}.`,
    `${friend.name} came by with the ${friend.pet.kind} ${friend.pet.name} and saw ${hero.name} searching.`,
  ]);
  const answered = pick(rng, [
    `"I saw a ${colour} ${thing.name} ${spot}," said ${friend.name}, "when I was with ${helper.name}."`,
    `"Did you not lend it to ${helper.name}?" asked ${friend.name}. "I think ${helper.they} put it ${spot}."`,
    `${friend.name} laughed and said that ${helper.name} the ${helper.trade} had left it ${spot}.`,
  ]);
  const found = pick(rng, [
    `${hero.name} looked ${spot}, and there was the ${thing.name}, as ${colour} as ever.`,
    `And so it was: the ${colour} ${thing.name} lay ${spot}, not ${wrongSpot}.`,
    `They went together, and ${spot} they found the ${thing.name} made of ${thing.material}.`,
  ]);
  return {
    title: `The lost ${thing.name}`,
    sentences: [...openScene(scene), missed, searched, asked, answered, found, closeScene(scene)],
    questions: [
      [`Where was the ${thing.name}?`, `It was ${spot}.`],
      [`What colour was the ${thing.name}?`, `It was ${colour}.`],
      [`Who had left it there?`, `It was ${helper.name}, the ${helper.trade} from ${helper.home.name}.`],
      [`Where did ${hero.name} look first?`, `${capitalize(hero.they)} looked ${wrongSpot}.`],
    ],
  };
}
