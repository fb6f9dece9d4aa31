import { hostname, userInfo } from "node:os";

/** Who did it. */
export interface Actor {
  /** The operating system's name of the user. */
  readonly user: string;
  readonly host: string;
  /** The identity that the configuration states, e.g. `dr.lee@clinic.example`; null if none. */
  readonly operator: string | null;
  /** Whether a person sat at a terminal. */
  readonly tty: boolean;
}

/**
 * The actor as the operating system knows it.
 * @param tty - `process.stdin.isTTY`, which Node leaves undefined where its type says false: under cron, in a pipe
 */
export function systemActor(operator: string | null, tty: boolean | undefined): Actor {
  return { user: userName(), host: hostname(), operator, tty: tty === true };
}

/** Containers often run under a number that has no name; userInfo throws there. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
