/** Roles, extensions, types, and the hash from which every made-up value comes. */

export function clinicFoundation(roles: readonly string[]): string {
  return `
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET synchronous_commit = off;

DO $$
DECLARE role text;
BEGIN
  FOREACH role IN ARRAY ARRAY[${roles.map((role) => `'${role}'`).join(", ")}] LOOP
    -- Two scripts may run at once: whoever comes second finds the role there.
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
END $$;

CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE SCHEMA clinic;
CREATE SCHEMA audit;
COMMENT ON SCHEMA clinic IS 'patients, their visits and what came of them';
COMMENT ON SCHEMA audit IS 'who looked at or changed what; one partition a month';

CREATE TYPE clinic.appointment_status AS ENUM ('booked', 'arrived', 'completed', 'cancelled');
ALTER TYPE clinic.appointment_status ADD VALUE 'no show' AFTER 'completed';
CREATE TYPE clinic.sex AS ENUM ('female', 'male', 'other', 'unknown');
CREATE TYPE clinic.address AS (street text, postcode text, town text);
CREATE DOMAIN clinic.record_number AS text CHECK (VALUE ~ '^DRM-[0-9]{6}$');
CREATE DOMAIN clinic.amount AS numeric(10, 2) CHECK (VALUE >= 0);

-- A number below n that depends on its arguments only: the database is the same on every machine.
CREATE FUNCTION clinic.pick(seed bigint, topic text, n integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS 'SELECT abs(hashtextextended(topic, seed) % n)::integer';
CREATE FUNCTION clinic.one_of(seed bigint, topic text, choices text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS 'SELECT choices[1 + abs(hashtextextended(topic, seed) % cardinality(choices))]';
`;
}
