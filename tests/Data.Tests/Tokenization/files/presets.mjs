// Writes presets.json: digests of the ids that Hugging Face's tokenizers gives the texts of texts.jsonl with the tokenizer.json that this program writes
// for the encodings it knows by name. FOLDER has one of them for each name, FOLDER/NAME/tokenizer.json, as a checkpoint of a run with
// data.tokenizer: NAME has.
//
//   KVSHIFT_NODE_MODULES=SOME_FOLDER/node_modules node presets.mjs FOLDER

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { Tokenizer } = createRequire(process.env.KVSHIFT_NODE_MODULES + '/')('tokenizers')
const texts = readFileSync('texts.jsonl', 'utf8').split('\n').filter((line) => line).map((line) => JSON.parse(line))
  .map((text) => (typeof text === 'string' ? text : Buffer.from(text.base64, 'base64').toString('utf8')))
const presets = {}
for (const name of ['cl100k_base', 'o200k_base', 'r50k_base', 'gpt2']) {
  const tokenizer = Tokenizer.fromFile(`${process.argv[2]}/${name}/tokenizer.json`)
  presets[name] = []
  for (const text of texts) {
    const ids = Int32Array.from((await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds())
    presets[name].push(`${ids.length} ${createHash('sha256').update(Buffer.from(ids.buffer)).digest('hex').slice(0, 16)}`)
  }
}
writeFileSync('presets.json', JSON.stringify(presets, null, 1))
