// Something that is asked for often, and done at once, but not more often than it may be.

export interface Paced {
  (): void;
  /** Do not do what is still to be done. */
  stop(): void;
}

/** At the first call at once; what is asked for within `pause_ms` is done once, at its end. */
export function paced(act: () => void, pause_ms: number): Paced {
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let asked = false;
  const ended = (): void => {
    waiting = undefined;
    if (asked) ask();
  };
  const ask = (): void => {
    asked = waiting !== undefined;
    if (asked) return;
    waiting = setTimeout(ended, pause_ms);
    act();
  };
  return Object.assign(ask, {
    stop: () => {
      clearTimeout(waiting);
      waiting = undefined;
      asked = false;
    },
  });
}
