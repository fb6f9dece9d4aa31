/**
 * Ed25519 signatures over exact bytes, in files that openssl reads: PKCS#8 and SPKI PEM for keys, 64 raw bytes for a
 * signature. `openssl pkeyutl -verify -pubin -inkey KEY -rawin -in FILE -sigfile FILE.sig` checks the same thing.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";

import { HoldfastError } from "../errors.ts";
import { describeWindow, parseWindow, refuseOrphans, sameWindow, type SignerWindow } from "./signer-window.ts";

/** A private key that signs, with the id by which verifiers know it. */
export interface Signer {
  readonly id: string;
  readonly publicKeyPem: string;
  /** @returns 64 bytes */
  sign(bytes: Uint8Array): Buffer;
}

/** A public key whose signatures we accept, within its window. */
export interface TrustedSigner extends SignerWindow {
  readonly id: string;
  readonly publicKeyPem: string;
  verify(bytes: Uint8Array, signature: Uint8Array): boolean;
}

/** A key's id: the first 16 hexadecimal digits of the SHA-256 of its SPKI DER bytes. */
function idOf(publicKey: KeyObject): string {
  return createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("hex").slice(0, 16);
}

function pemOf(publicKey: KeyObject): string {
  return publicKey.export({ type: "spki", format: "pem" }).toString();
}

/** A fresh signing key as PEM texts: keep `privateKeyPem` on backup hosts, give `publicKeyPem` to everyone. */
export function generateSigningKey(): { readonly privateKeyPem: string; readonly publicKeyPem: string; readonly id: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), publicKeyPem: pemOf(publicKey), id: idOf(publicKey) };
}

/**
 * Reads a private key.
 * @param source - where it came from, for the message, which never shows the key
 * @throws HoldfastError `configuration` if it is not an unencrypted Ed25519 private key in PEM
 */
export function loadSigner(pem: string, source: string): Signer {
  const key = privateKeyOf(pem, source);
  if (key.asymmetricKeyType !== "ed25519") {
    throw new HoldfastError("configuration", `the signing key in ${source} is ${key.asymmetricKeyType ?? "unknown"}, but must be ed25519`, { hints: [makeOne] });
  }
  const publicKey = createPublicKey(key);
  return { id: idOf(publicKey), publicKeyPem: pemOf(publicKey), sign: (bytes) => sign(null, bytes, key) };
}

const makeOne = "Make one with `holdfast keys generate`.";

/** What OpenSSL says of a text that it cannot read is of no use to anyone, and is left out. */
function privateKeyOf(pem: string, source: string): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    throw new HoldfastError("configuration", `the signing key in ${source} is encrypted with a passphrase, but must be readable without one`, {
      hints: [`Decrypt it into a file of mode 0600: \`openssl pkey -in ${source} -out signing-key.pem\`.`],
    });
  }
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    const seen = /-----BEGIN ([A-Z ]+)-----/.exec(pem)?.[1]?.toLowerCase();
    throw new HoldfastError("configuration", `the signing key in ${source} is ${seen === undefined ? "not a private key in PEM" : `a ${seen}, but must be a private key`}`, { hints: [makeOne] });
  }
  try {
    return createPrivateKey(pem);
  } catch {
    throw new HoldfastError("configuration", `the signing key in ${source} is damaged, or of a kind that cannot sign here`, { hints: [makeOne] });
  }
}

/**
 * Reads one or more public keys from a PEM text, each once, with the dates that stand before them.
 * @throws HoldfastError `configuration` if there is none, one that is not Ed25519, or a date that is none
 */
export function loadTrustedSigners(pem: string, source: string): TrustedSigner[] {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw new HoldfastError("configuration", `a private key stands among the trusted signers in ${source}, where only public keys belong`, {
      hints: ["Print the public half with `openssl pkey -in FILE -pubout` and use that.", "If others can read that place, consider the key exposed and make a new one."],
    });
  }
  const block = /-----BEGIN PUBLIC KEY-----[\s\S]+?-----END PUBLIC KEY-----/g;
  const signers = new Map<string, TrustedSigner>();
  let end = 0;
  for (const { 0: text, index } of pem.matchAll(block)) {
    const signer = { ...trustedSignerOf(text, source), ...parseWindow(pem.slice(end, index), source) };
    end = index + text.length;
    const known = signers.get(signer.id);
    if (known && !sameWindow(known, signer)) {
      throw new HoldfastError("configuration", `${source} names the signer ${signer.id} twice, with different dates: ${describeWindow(known) || "none"}, and ${describeWindow(signer) || "none"}`, { hints: ["Keep the one that is meant."] });
    }
    signers.set(signer.id, signer);
  }
  if (signers.size === 0) {
    throw new HoldfastError("configuration", `no public key in PEM found in ${source}`, { hints: ["`holdfast keys generate` writes it to trusted-signers.pem; it begins with -----BEGIN PUBLIC KEY-----."] });
  }
  refuseOrphans(pem.slice(end), source);
  return [...signers.values()];
}

function trustedSignerOf(pem: string, source: string): TrustedSigner {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new HoldfastError("configuration", `a public key in ${source} is damaged and cannot be read`, { hints: ["Copy it again from trusted-signers.pem, whole lines only."] });
  }
  if (key.asymmetricKeyType !== "ed25519") {
    throw new HoldfastError("configuration", `a public key in ${source} is ${key.asymmetricKeyType ?? "unknown"}, but must be ed25519`, { hints: ["Name the public halves of signing keys that `holdfast keys generate` made."] });
  }
  return { id: idOf(key), publicKeyPem: pemOf(key), verify: (bytes, signature) => signature.byteLength === 64 && verify(null, bytes, key, signature) };
}

/**
 * The trusted signer who signed `bytes`, or undefined: unsigned, changed, or signed by a stranger.
 * Whether that key counted at the time of what it signed is the caller's to ask: only it knows the time ({@link isValidAt}).
 */
export function signerOf(bytes: Uint8Array, signature: Uint8Array, trusted: readonly TrustedSigner[]): TrustedSigner | undefined {
  return trusted.find((signer) => signer.verify(bytes, signature));
}
