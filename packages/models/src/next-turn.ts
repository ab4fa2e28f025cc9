/**
 * Lets the event loop turn, so that signals, timers and a page's events are served between two blocks of a
 * long computation: awaiting weights that are in memory already does not.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
