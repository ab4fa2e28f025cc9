import { capitalize, closeScene, openScene, otherPlace, pick, type Scene, type Story } from "../scene.js";
import type { Place } from "../world.js";

/** A walk through two villages to a third and back the same way. */
export function journey(scene: Scene): Story {
  const { rng, world, hero, friend, thing, colour } = scene;
  const goal = friend.home === hero.home ? otherPlace(rng, world, hero.home) : friend.home;
  const first = otherPlace(rng, world, hero.home, goal);
  const second = otherPlace(rng, world, hero.home, goal, first);
  const isAtHome = goal === friend.home;
  const left = pick(rng, [
    `${hero.name} had to go to ${goal.name}, ${goal.setting}, and the road led through ${first.name} and ${second.name}.`,
    `A letter came: "Bring your ${colour} ${thing.name} to ${goal.name}, where there is a ${goal.landmark}." So ${hero.they} set out by way of ${first.name} and ${second.name}.`,
  ]);
  const pet = pick(rng, [
    `${capitalize(hero.their)} ${hero.pet.kind} ${hero.pet.name} came along and ${hero.pet.sound}.`,
    `${capitalize(hero.they)} took the ${colour} ${thing.name} ${thing.use}, and ${hero.pet.name} the ${hero.pet.kind} came along.`,
  ]);
  const met = isAtHome
    ? pick(rng, [
        `In ${goal.name} ${friend.name} the ${friend.trade} stood waiting with ${friend.food}.`,
        `When ${hero.they} came to ${goal.name}, ${friend.name} put down ${friend.their} ${friend.tool} and ran to meet ${hero.them}.`,
      ])
    : pick(rng, [
        `In ${goal.name} ${hero.they} saw ${friend.name}, the ${friend.trade} from ${friend.home.name}.`,
        `When ${hero.they} came to ${goal.name}, ${friend.name} from ${friend.home.name} was already there.`,
      ]);
  const back = pick(rng, [
    `On the way back ${hero.they} came through ${second.name} first and then through ${first.name}, and was home in ${hero.home.name} before night.`,
    `${capitalize(hero.they)} went home the same way: from ${goal.name} to ${second.name}, from ${second.name} to ${first.name}, and from ${first.name} to ${hero.home.name}.`,
  ]);
  return {
    title: `The road to ${goal.name}`,
    sentences: [
      ...openScene(scene),
      left,
      pet,
      visit(scene, first, "First"),
      visit(scene, second, "Then"),
      met,
      back,
      closeScene(scene),
    ],
    questions: [
      [`Where did ${hero.name} go?`, `It was ${goal.name}, ${goal.setting}.`],
      [`Which village came first?`, `It was ${first.name}, which makes ${first.product}.`],
      [`Which village came after ${first.name}?`, `It was ${second.name}.`],
      [`Who was in ${goal.name}?`, `It was ${friend.name}, the ${friend.trade}.`],
      [`Where does ${hero.name} live?`, `It is ${hero.home.name}, ${hero.home.setting}.`],
    ],
  };
}

function visit({ rng, hero }: Scene, place: Place, when: "First" | "Then"): string {
  return pick(rng, [
    `${when} ${hero.they} came to ${place.name}, a village ${place.setting}, and rested near the ${place.landmark}.`,
    `${when} ${hero.they} bought some ${place.product} in ${place.name}, where everybody makes it.`,
    `${when} ${hero.they} passed the ${place.landmark} and knew that this was ${place.name}.`,
  ]);
}
