import { setTimeout } from "node:timers/promises";
import { SdmPruneError } from "@sdmprune/core";
import type { Turn, TurnProgram } from "./turn-program.js";

/** Until a program that has just run has stopped its threads: PyTorch's spin for some milliseconds. */
const PAUSE_MS = 20;

/** A program, the case that it is to run, and how often. */
export interface Player {
  readonly program: TurnProgram;
  readonly name: string;
  readonly repetitions: number;
}

/**
 * Times programs which take turns, A B A B, so that whatever else the machine does meets them all.
 *
 * @param endsThem - End each program after its last turn, so that the next one has the memory.
 * @returns Every repetition, by program.
 * @throws {SdmPruneError} If a program fails, or runs another case.
 */
export async function interleave(players: readonly Player[], { endsThem = false } = {}): Promise<Turn[][]> {
  const turns = players.map((): Turn[] => []);
  const rounds = Math.max(...players.map(({ repetitions }) => repetitions));
  for (let i = 0; i < rounds; i++) {
    for (const [p, { program, name, repetitions }] of players.entries()) {
      if (i >= repetitions) continue;
      const turn = await program.turn();
      if (turn.name !== name) {
        throw new SdmPruneError(`benchmark: expected the case "${name}", got "${turn.name}".`);
      }
      turns[p]!.push(turn);
      if (endsThem && i === repetitions - 1) await program.end();
      await setTimeout(PAUSE_MS);
    }
  }
  return turns;
}
