/** How the place of a rehearsal is called, and what stands on everything in it: whose it is, as on a drill's scratch. */
import { type Note, readNote, scratchName } from "../../drill/scratch/owner.ts";
import { scratchMark } from "../../drill/scratch/scratch.ts";
import { type Labels, rehearsalMark } from "../../rollback/rehearsal/mark.ts";

const prefix = "holdfast.";

/** As labels, or as annotations where labels may not hold every value. */
export const labelsOfNote = (note: Note): Labels => Object.fromEntries(Object.entries(note).map(([name, value]) => [`${prefix}${name}`, String(value)]));

/** The note that stands there; undefined if none does. */
export const noteOfLabels = (labels: Labels): Note | undefined => readNote(Object.fromEntries(Object.entries(labels).map(([label, value]) => [label.slice(prefix.length), value])));

/** A name that nobody else has; as with a scratch, it says which process made it. */
export const placeOf = (note: Note): string => scratchName(note).replace(scratchMark, rehearsalMark);
