/** What one statement means to a release that was written before it. */
export interface Effect {
  readonly verdict: "compatible" | "incompatible" | "unknown";
  /** A clause that names the kind of statement and the object; never a value. */
  readonly why: string;
}

export const compatible = (why: string): Effect => ({ verdict: "compatible", why });
export const incompatible = (why: string): Effect => ({ verdict: "incompatible", why });
export const unknown = (why: string): Effect => ({ verdict: "unknown", why });
