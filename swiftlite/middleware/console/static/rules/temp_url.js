/** Temporary URLs: signed here, with a key of the account or container. Pure but for the hash functions' library. */
import { hmac } from "../lib/noble-hashes/hmac.js";
import { sha256 } from "../lib/noble-hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "../lib/noble-hashes/utils.js";
import { encodePath } from "./names.js";

/**
 * Path and query of a link that lets anybody read one object for a while.
 * @param {{account: string, container: string, name: string}} object
 * @param {{key: string, expires: number, isInline?: boolean, fileName?: string}} link  `expires`: seconds since 1970
 */
export function temporaryPath({ account, container, name }, { key, expires, isInline = false, fileName = "" }) {
  const signed = `GET\n${expires}\n/v1/${account}/${container}/${name}`;
  const signature = bytesToHex(hmac(sha256, utf8ToBytes(key), utf8ToBytes(signed)));
  const words = [`temp_url_sig=${signature}`, `temp_url_expires=${expires}`];
  if (fileName) words.push(`filename=${encodeURIComponent(fileName)}`);
  if (isInline) words.push("inline");
  return `/v1/${encodeURIComponent(account)}${encodePath(container, name)}?${words.join("&")}`;
}

/** A new key: 256 random bits. */
export function newKey() {
  return bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
}
