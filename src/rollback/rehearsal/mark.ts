/** By what everything of rehearsals is known, on every platform. */

/** Everything of rehearsals has it; its value is the name of the rehearsal's project or namespace. */
export const rehearsalLabel = "holdfast.rehearsal";

/** How those names begin. */
export const rehearsalMark = "holdfast-rehearsal-";

export type Labels = Readonly<Record<string, string>>;
