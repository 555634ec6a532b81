/** How bad the world is in one run. Shares are from 0 to 1, times in milliseconds. */
import type { Chance } from "./chance.ts";

export interface Weather {
  readonly lostShare: number;
  readonly repeatedShare: number;
  /** A datagram takes up to so long, so later ones overtake it. */
  readonly delayMsMax: number;
  /** A port turns out to be held by another process. */
  readonly portTakenShare: number;
  readonly bindFailureShare: number;
  /** Binding and the workers' answers take up to so long; 0: bound before `bindPair` returns. */
  readonly bindMsMax: number;
  readonly workerMsMax: number;
  readonly crashShare: number;
}

export const fairWeather: Weather = {
  lostShare: 0,
  repeatedShare: 0,
  delayMsMax: 2,
  portTakenShare: 0,
  bindFailureShare: 0,
  bindMsMax: 0,
  workerMsMax: 1,
  crashShare: 0,
};

export function drawWeather(chance: Chance): Weather {
  return {
    lostShare: chance.pick([0, 0.01, 0.1, 0.4]),
    repeatedShare: chance.pick([0, 0.05, 0.4]),
    delayMsMax: chance.pick([2, 50, 1_500]),
    portTakenShare: chance.pick([0, 0.05, 0.5]),
    bindFailureShare: chance.pick([0, 0.01, 0.2]),
    bindMsMax: chance.pick([0, 0, 5, 400, 9_000]),
    workerMsMax: chance.pick([1, 20, 3_000]),
    crashShare: chance.pick([0, 0, 0.1]),
  };
}
