/** What an S3 service or the way to it says, in the store's terms: what failed, where, and what to do about it. */
import { S3ServiceException } from "@aws-sdk/client-s3";

import { HoldfastError, cancelled, messageOf, systemCodeOf } from "../errors.ts";
import { SourceFailure, asError } from "./source.ts";

/** Where a store is, as it may be shown. */
export interface S3Place {
  readonly bucket: string;
  /** Undefined: AWS itself, or what the SDK's environment names. */
  readonly endpoint: string | undefined;
}

export function serviceErrorName(error: unknown): string | undefined {
  return error instanceof S3ServiceException ? error.name : undefined;
}

export function httpStatusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

/** How often the SDK tried the request that failed. */
export function triesOf(error: unknown): number {
  return (hasMetadata(error) ? error.$metadata.attempts : undefined) ?? 1;
}

/** Did the store certainly not carry the request out? After a second try nothing is certain: the first may have been. */
export function isRefusal(error: unknown): boolean {
  if (triesOf(error) > 1 && systemCodeOf(error) !== "ECONNREFUSED") return false;
  const status = httpStatusOf(error) ?? 0;
  return (status >= 400 && status < 500) || ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN"].includes(systemCodeOf(error) ?? "");
}

interface Explanation {
  readonly code?: "not-found" | "configuration";
  readonly what: string;
  readonly hint: string;
}

/**
 * @param doing - "cannot write ehr/…/data.pgdump.zst.age"
 * @returns the cancellation if `signal` aborted; the source's own error if the source failed; else a HoldfastError
 */
export function s3Failure(error: unknown, doing: string, place: S3Place, signal?: AbortSignal): Error {
  if (error instanceof HoldfastError) return error;
  if (signal?.aborted === true) return cancelled(signal);
  if (error instanceof SourceFailure) return asError(error.cause);
  const found = explain(error, place);
  if (found) return new HoldfastError(found.code ?? "store-failed", `${doing}: ${found.what}`, { hints: [found.hint], cause: error });
  if (error instanceof S3ServiceException) {
    const status = error.$metadata.httpStatusCode;
    const said = error.message === "UnknownError" ? "" : `: ${error.message}`;
    return new HoldfastError("store-failed", `${doing}: ${at(place)} answered ${error.name}${status === undefined ? "" : ` (${status})`}${said}`, { cause: error });
  }
  if (systemCodeOf(error) !== undefined || hasMetadata(error)) return new HoldfastError("store-failed", `${doing}: ${at(place)}: ${messageOf(error)}`, { cause: error });
  return asError(error);
}

/** The SDK puts `$metadata` on whatever it throws once a request was made, also on answers that it cannot read. */
function hasMetadata(error: unknown): error is { readonly $metadata: { readonly attempts?: number } } {
  return typeof error === "object" && error !== null && "$metadata" in error;
}

function at({ bucket, endpoint }: S3Place): string {
  return endpoint === undefined ? `bucket "${bucket}"` : `bucket "${bucket}" at ${endpoint}`;
}

function explain(error: unknown, place: S3Place): Explanation | undefined {
  return explainService(error, place) ?? explainNetwork(error, place) ?? explainSetup(error);
}

function explainService(error: unknown, place: S3Place): Explanation | undefined {
  const where = at(place);
  const name = serviceErrorName(error);
  // A refused HEAD has a status and no name.
  switch (name === "Unknown" && httpStatusOf(error) === 403 ? "AccessDenied" : name) {
    case "NoSuchBucket":
      return { code: "not-found", what: `${where} does not exist`, hint: `Check the bucket's name and region, or create it: aws s3api create-bucket --bucket ${place.bucket}${place.endpoint === undefined ? "" : ` --endpoint-url ${place.endpoint}`}.` };
    case "SignatureDoesNotMatch":
      return { what: `${where} refused the signature: the secret access key is wrong`, hint: "Check AWS_SECRET_ACCESS_KEY (and that no quote or newline came with it) against the access key." };
    case "InvalidAccessKeyId":
    case "InvalidToken":
    case "ExpiredToken":
      return { what: `${where} does not know the access key or its session token, or they have expired`, hint: "Check AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN, or renew the session." };
    case "AccessDenied":
    case "Forbidden":
      return { what: `${where} denies access`, hint: "Let the access key read, write, list and delete there, and list and abort multipart uploads; `holdfast doctor` tries each." };
    case "RequestTimeTooSkewed":
      return { what: `${where} refused the request because of its time`, hint: "Set this machine's clock; `holdfast doctor` shows the difference." };
    case "PermanentRedirect":
    case "AuthorizationHeaderMalformed":
    case "IllegalLocationConstraintException":
      return { what: `${where} is in another region`, hint: "Give the bucket's own region as ?region=… or AWS_REGION." };
    case "QuotaExceeded":
    case "XMinioStorageFull":
    case "InsufficientStorage":
      return { what: `${where} is full`, hint: "Free space there, or let `holdfast backup prune` remove old backups." };
    default:
      return undefined;
  }
}

function explainNetwork(error: unknown, place: S3Place): Explanation | undefined {
  const endpoint = place.endpoint ?? "the S3 endpoint";
  // The SDK calls a connection that was cut a TimeoutError as well; its code tells.
  if (error instanceof Error && error.name === "TimeoutError" && !/^(?:ECONNRESET|EPIPE)$/.test(systemCodeOf(error) ?? "")) {
    return { what: `${endpoint} does not answer (${error.message})`, hint: "A store that is full or overloaded may accept connections and never answer: look at the server, then try again." };
  }
  switch (systemCodeOf(error)) {
    case "ECONNREFUSED":
      return { what: `${endpoint} refuses connections`, hint: "Check that the S3 server runs, and the endpoint's host and port." };
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return { what: `the host of ${endpoint} cannot be resolved`, hint: "Check the endpoint's host name, and whether it needs path-style=true." };
    case "ECONNRESET":
    case "EPIPE":
    case "ETIMEDOUT":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return { what: `the connection to ${endpoint} was lost (${systemCodeOf(error) ?? ""})`, hint: "Check the network and the S3 server, then try again." };
    default:
      return undefined;
  }
}

function explainSetup(error: unknown): Explanation | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.name === "CredentialsProviderError") {
    return { code: "configuration", what: "no S3 credentials were found", hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE." };
  }
  if (error.message === "Region is missing") {
    return { code: "configuration", what: "no S3 region was given", hint: "Add ?region=… to the repository's location, or set AWS_REGION; servers of your own usually take us-east-1." };
  }
  return undefined;
}
