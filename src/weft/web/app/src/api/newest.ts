// Answers that come behind a newer question: `$effect(() => takeNewest(api.get(...), (found) => ...,
// (error) => ...))` asks again whenever what it reads has changed, and only the last answer counts.

/** Take what is answered, or why it is not, until the function that is returned was called. */
export function takeNewest<T>(asked: Promise<T>, take: (found: T) => void, fail: (error: unknown) => void): () => void {
  let over = false;
  asked.then(
    (found) => {
      if (!over) take(found);
    },
    (error: unknown) => {
      if (!over) fail(error);
    },
  );
  return () => {
    over = true;
  };
}
