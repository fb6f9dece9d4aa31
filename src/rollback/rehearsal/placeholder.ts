/** What stands in a rehearsal for every value of which a checkpoint has only a hash. */
export const placeholder = "holdfast-rehearsal-placeholder";
