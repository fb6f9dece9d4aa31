/** Values as patients have them, which must appear in no finding and no error. */

export const planted: readonly [name: string, ssn: string, email: string] = ["Wilhelmina Quackenbush", "219-09-9999", "w.quackenbush@example.org"];

/** A table with them and one other row. */
export const plantedRows = `
  CREATE TABLE public.people (id bigint PRIMARY KEY, name text NOT NULL, ssn text, email text);
  INSERT INTO public.people VALUES (1, '${planted[0]}', '${planted[1]}', '${planted[2]}'), (2, 'Q', NULL, NULL);
`;
