import { capitalize, closeScene, openScene, pick, type Scene, type Story } from "../scene.js";

/** A message goes from mouth to mouth and arrives word for word. */
export function message(scene: Scene): Story {
  const { rng, hero, friend, helper, thing, colour, spot, day } = scene;
  const text = pick(rng, [
    `the ${colour} ${thing.name} is ${spot}`,
    `the ${thing.name} ${spot} is ${colour}`,
    `on ${day} the ${colour} ${thing.name} must be ${spot}`,
  ]);
  const sent = pick(rng, [
    `${capitalize(hero.they)} had a message for ${helper.name} the ${helper.trade}: "${capitalize(text)}."`,
    `"${capitalize(text)}," ${hero.they} wrote, and the letter was for ${helper.name} in ${helper.home.name}.`,
  ]);
  const carried = pick(rng, [
    `${friend.name}, who was a ${friend.trade}, carried it from ${hero.home.name} to ${helper.home.name}, past the ${helper.home.landmark}.`,
    `${friend.name} took the message along, and so did ${friend.their} ${friend.pet.kind} ${friend.pet.name}.`,
  ]);
  const told = pick(rng, [
    `"I bring word from ${hero.name} that ${text}," ${friend.name} told ${helper.name}.`,
    `In ${helper.home.name} ${friend.name} said: "Listen, ${helper.name}, ${text}."`,
  ]);
  const answered = pick(rng, [
    `"Good," said ${helper.name}, "I need a ${thing.name} ${thing.use}. Tell ${hero.name} that I heard it: ${text}."`,
    `${helper.name} gave ${friend.them} ${helper.food} and said: "So ${text}. Take my thanks to ${hero.name}."`,
  ]);
  return {
    title: `The message for ${helper.name}`,
    sentences: [...openScene(scene), sent, carried, told, answered, closeScene(scene)],
    questions: [
      [`What was the message?`, `It was that ${text}.`],
      [`Who sent it?`, `It was ${hero.name}, the ${hero.trade}.`],
      [`Who carried it?`, `It was ${friend.name}.`],
      [`Who got it?`, `It was ${helper.name} in ${helper.home.name}.`],
    ],
  };
}
