/** The codings in which the server sends scripts, by the ending of a file's name. */
import { existsSync, readFileSync } from 'node:fs'
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from 'node:zlib'

export const CODINGS = {
  br: { encode: (text) => brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }), decode: brotliDecompressSync },
  gz: { encode: (text) => gzipSync(text, { level: 9 }), decode: gunzipSync }
}

/**
 * The text of a file, decoded if its name has the ending of a coding; undefined if the file is missing or
 * broken.
 */
export const contentOf = (file) => {
  const coding = CODINGS[file.split('.').pop()]
  if (!existsSync(file)) return undefined
  try {
    return String(coding ? coding.decode(readFileSync(file)) : readFileSync(file))
  } catch {
    return undefined
  }
}
