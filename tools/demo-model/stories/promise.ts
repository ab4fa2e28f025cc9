import { closeScene, nextDay, openScene, pick, type Scene, type Story } from "../scene.js";

/** A promise is made, nearly forgotten, and kept on the day it was made for. */
export function promise(scene: Scene): Story {
  const { rng, hero, friend, helper, thing, colour, day } = scene;
  const due = nextDay(nextDay(day));
  const between = nextDay(day);
  const promised = pick(rng, [
    `${friend.name} the ${friend.trade} needed a ${colour} ${thing.name} ${thing.use}, and ${hero.name} promised to bring one to ${friend.home.name} on ${due}.`,
    `"I will bring you my ${colour} ${thing.name} on ${due}," ${hero.they} promised ${friend.name}, who lived in ${friend.home.name}, ${friend.home.setting}.`,
    `In ${friend.home.name} ${friend.name} waited for a ${colour} ${thing.name}, and ${hero.name} had promised it for ${due}.`,
  ]);
  const forgot = pick(rng, [
    `On ${between} there was so much to do with the ${hero.tool} that ${hero.they} forgot all about it.`,
    `But ${between} came, and ${hero.they} thought only of ${hero.food}.`,
    `All through ${between} ${hero.they} talked with ${helper.name} the ${helper.trade} and thought of other things.`,
  ]);
  const reminded = pick(rng, [
    `Then ${helper.name} asked: "Did you not promise ${friend.name} a ${thing.name}?"`,
    `In the night ${hero.pet.name} the ${hero.pet.kind} ${hero.pet.sound}, and ${hero.name} woke up and remembered the ${colour} ${thing.name}.`,
    `"Tomorrow is ${due}," said ${helper.name}. "What did you promise ${friend.name}?"`,
  ]);
  const kept = pick(rng, [
    `On ${due} ${hero.name} walked past the ${friend.home.landmark} of ${friend.home.name} with the ${colour} ${thing.name} of ${thing.material}.`,
    `So on ${due} ${hero.they} packed the ${colour} ${thing.name} and went to ${friend.home.name}, where they make ${friend.home.product}.`,
  ]);
  const thanked = pick(rng, [
    `"You promised, and you came," said ${friend.name}, and ${friend.their} ${friend.pet.kind} ${friend.pet.name} ${friend.pet.sound}.`,
    `"A ${thing.name} ${thing.use}, and on ${due}, as you said!" cried ${friend.name} and gave ${hero.them} some ${friend.food}.`,
  ]);
  return {
    title: `The promise of ${hero.name}`,
    sentences: [...openScene(scene), promised, forgot, reminded, kept, thanked, closeScene(scene)],
    questions: [
      [`What did ${hero.name} promise?`, `It was a ${colour} ${thing.name}.`],
      [`Who waited for it?`, `It was ${friend.name} in ${friend.home.name}.`],
      [`When was the promise kept?`, `It was kept on ${due}.`],
      [`What is the ${thing.name} made of?`, `It is made of ${thing.material}.`],
    ],
  };
}
