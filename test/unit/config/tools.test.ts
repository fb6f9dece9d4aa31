import { expect, test } from "vitest";

import { parseTools } from "../../../src/config/tools.ts";

test.each<[string | string[], string[]]>([
  ["docker exec db", ["docker", "exec", "-i", "db"]],
  ["docker exec -i db", ["docker", "exec", "-i", "db"]],
  ["docker exec --interactive -u postgres db", ["docker", "exec", "-i", "-u", "postgres", "db"]],
  ["docker exec -uroot db", ["docker", "exec", "-i", "-uroot", "db"]],
  ["docker --context prod exec 'my db'", ["docker", "--context", "prod", "exec", "-i", "my db"]],
  ["/usr/bin/podman exec db", ["/usr/bin/podman", "exec", "-i", "db"]],
  ["docker compose exec db", ["docker", "compose", "exec", "-T", "db"]],
  ["docker compose -f /srv/compose.yaml exec -T --index 2 db", ["docker", "compose", "-f", "/srv/compose.yaml", "exec", "-T", "--index", "2", "db"]],
  [["docker", "exec", "a b"], ["docker", "exec", "-i", "a b"]],
])("%j is the prefix %j", (given, prefix) => {
  expect(parseTools(given)).toEqual({ prefix });
});

test.each([
  ["docker exec -t db", /must not ask for a terminal/],
  ["docker exec -it db", /must not ask for a terminal/],
  ["docker exec -ti db", /must not ask for a terminal/],
  ["docker exec --tty db", /must not ask for a terminal/],
  ["docker compose exec --tty=true db", /must not ask for a terminal/],
  ["docker exec -d db", /must not detach/],
  ["docker exec -T db", /must not use -T/],
  ["docker exec -e PGPASSWORD=x db", /must not carry PGPASSWORD/],
  ["docker exec --env=PGPASSWORD=x db", /must not carry PGPASSWORD/],
  ["docker exec db pg_dump", /must end with the container's name/],
  ["docker-compose exec db", /must use `docker compose`/],
  ["docker exec", /must be `docker exec NAME`/],
  ["docker run db", /must be `docker exec NAME`/],
  ["exec db", /must be `docker exec NAME`/],
  ["docker exec 'db", /must be `docker exec NAME`/],
  ["", /must be `docker exec NAME`/],
])("%j is refused", (given, rule) => {
  expect(parseTools(given)).toEqual({ rule: expect.stringMatching(rule) as string });
});
