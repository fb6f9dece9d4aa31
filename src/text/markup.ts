/** Template tags whose values cannot do anything but be read: what is put into a template is escaped, unless the same tag made it. */
import { printable } from "./format.ts";

declare const language: unique symbol;

/** A piece of text in a language, made by its tag and by nothing else. */
export interface Fragment<Language extends string> {
  readonly [language]: Language;
  toString(): string;
}

/** What a template takes; a list is written item after item, and what is undefined or null leaves no trace. */
export type Value<Language extends string> = string | number | undefined | null | Fragment<Language> | readonly Value<Language>[];

export type Tag<Language extends string> = (strings: TemplateStringsArray, ...values: readonly Value<Language>[]) => Fragment<Language>;

/** A tag that writes every value as `escape` returns it. `refuse` says what is wrong with the text before a value, if anything is. */
export function escapingTag<Language extends string>(escape: (text: string) => string, refuse: (before: string) => string | undefined = () => undefined): Tag<Language> {
  const made = new WeakSet();
  const write = (value: Value<Language>): string => {
    if (value === undefined || value === null) return "";
    if (isList(value)) return value.map(write).join("");
    return typeof value === "object" && made.has(value) ? value.toString() : escape(printable(String(value).toWellFormed()));
  };
  return (strings, ...values) => {
    const text = strings.map((string, index) => {
      const refused = index < values.length ? refuse(string) : undefined;
      if (refused !== undefined) throw new Error(refused);
      return index < values.length ? string + write(values[index]) : string;
    }).join("");
    const fragment = { toString: () => text };
    made.add(fragment);
    return fragment as Fragment<Language>;
  };
}

function isList<Language extends string>(value: Value<Language>): value is readonly Value<Language>[] {
  return Array.isArray(value);
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\ufffe": "\ufffd", "\uffff": "\ufffd" };
const escapeMarkup = (text: string): string => text.replace(/[&<>"'\ufffe\uffff]/g, (character) => entities[character] ?? character);

/** Where escaping would not be enough: an attribute without quotes ends at a space. */
const unquoted = (before: string): string | undefined => (before.endsWith("=") ? `an attribute's value must stand in quotes: ${before.slice(-40)}` : undefined);

export type Html = Fragment<"html">;
export const html = escapingTag<"html">(escapeMarkup, unquoted);

export type Xml = Fragment<"xml">;
export const xml = escapingTag<"xml">(escapeMarkup, unquoted);
