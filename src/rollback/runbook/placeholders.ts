/** `{{input}}` in a runbook. A template of another tool, as in `{{.Id}}` or `{{json .}}`, is none. */
const placeholder = /\{\{([A-Za-z][A-Za-z0-9_-]*)\}\}/g;

/** Names of the inputs that a text has places for, each once. */
export function placeholdersOf(text: string): string[] {
  return [...new Set([...text.matchAll(placeholder)].map(([, name = ""]) => name))];
}

/** Names that stand with blanks beside them, `{{ name }}`, as other tools write them: here they would be left as they are. */
export function loosePlaceholdersOf(text: string): string[] {
  return [...new Set([...text.matchAll(/\{\{(?:\s+([A-Za-z][\w-]*)\s*|([A-Za-z][\w-]*)\s+)\}\}/g)].map(([, before, after = ""]) => before ?? after))];
}

/** The text with its places filled in; a place whose input has no value stays as it is. */
export function fillIn(text: string, values: ReadonlyMap<string, string>): string {
  return text.replaceAll(placeholder, (place, name: string) => values.get(name) ?? place);
}
