/** Runs tasks side by side under one signal: the first failure cancels the others, and all have ended when it is thrown. */
export async function together<T extends readonly unknown[]>(
  signal: AbortSignal,
  tasks: { readonly [K in keyof T]: (signal: AbortSignal) => Promise<T[K]> },
): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => { controller.abort(signal.reason); };
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  let first: { error: unknown } | undefined;
  const outcomes = await Promise.allSettled(
    tasks.map((task) =>
      task(controller.signal).catch((error: unknown) => {
        first ??= { error };
        controller.abort();
        throw error;
      }),
    ),
  );
  signal.removeEventListener("abort", abort);
  if (first) throw first.error;
  return outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : undefined)) as unknown as T;
}
