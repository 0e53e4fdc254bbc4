// Hugging Face's tokenizers (npm package of that name, a Rust binary) on the corpus that corpus.mjs writes.
//
//   node peer.mjs train CORPUS TOKENIZER            trains a byte-level BPE with its trainer's defaults (30,000 tokens) and times it
//   node peer.mjs split TOKENIZER cl100k OUTPUT     the same tokenizer with another published split
//   node peer.mjs encode TOKENIZER CORPUS PASSES [IDS]    MB/s of encodeBatch; the ids, if wanted
//
// The package is looked for in the folder that KVSHIFT_NODE_MODULES names.

import { readFileSync, writeFileSync, unlinkSync } from 'node:fs'
import { createRequire } from 'node:module'

const { Tokenizer, BPE, byteLevelPreTokenizer, byteLevelAlphabet } = createRequire(process.env.KVSHIFT_NODE_MODULES + '/')('tokenizers')
const [verb, ...args] = process.argv.slice(2)

// Buffer.toString replaces what is not UTF-8 as WHATWG's encoding standard says, which is what Rust's from_utf8_lossy does.
function readCorpus(path) {
  const content = readFileSync(path)
  const documents = []
  for (let at = 0; at < content.length; ) {
    const length = content.readInt32LE(at)
    documents.push(content.toString('utf8', at + 4, at + 4 + length))
    at += 4 + length
  }
  return documents
}

const bytesOf = (documents) => documents.reduce((sum, text) => sum + Buffer.byteLength(text), 0)

function train(corpus, output) {
  const documents = readCorpus(corpus)
  const text = output + '.txt'
  writeFileSync(text, documents.join('\n'))
  const tokenizer = new Tokenizer(BPE.empty())
  tokenizer.setPreTokenizer(byteLevelPreTokenizer(false, true))
  const start = process.hrtime.bigint()
  tokenizer.train([text])
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  unlinkSync(text)
  tokenizer.save(output)
  // Its trainer knows the bytes of its text only; a tokenizer must know all, or text is lost.
  const json = JSON.parse(readFileSync(output, 'utf8'))
  let next = Object.keys(json.model.vocab).length
  for (const symbol of byteLevelAlphabet().sort()) json.model.vocab[symbol] ??= next++
  json.added_tokens = [
    { id: next, content: '<|endoftext|>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
  ]
  writeFileSync(output, JSON.stringify(json))
  console.log(JSON.stringify({ bytes: bytesOf(documents), seconds: [seconds] }))
}

const cl100k = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

function split(tokenizer, name, output) {
  if (name !== 'cl100k') throw new Error(`no split '${name}' here; cl100k is`)
  const json = JSON.parse(readFileSync(tokenizer, 'utf8'))
  json.pre_tokenizer = {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: cl100k }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  }
  writeFileSync(output, JSON.stringify(json))
}

async function encode(path, corpus, passes, idsPath) {
  const tokenizer = Tokenizer.fromFile(path)
  const documents = readCorpus(corpus)
  const bytes = bytesOf(documents)
  // Batches of about a megabyte: its results are some hundred bytes a token, which need not all be in memory.
  const batches = [[]]
  let size = 0
  for (const text of documents) {
    if (size > 1e6) {
      batches.push([])
      size = 0
    }
    batches.at(-1).push(text)
    size += text.length
  }
  const rates = []
  let results
  for (let pass = 0; pass < Number(passes); pass++) {
    results = []
    let seconds = 0
    for (const batch of batches) {
      const start = process.hrtime.bigint()
      const encodings = await tokenizer.encodeBatch(batch, { addSpecialTokens: false })
      seconds += Number(process.hrtime.bigint() - start) / 1e9
      if (pass === Number(passes) - 1) results.push(...encodings.map((encoding) => Int32Array.from(encoding.getIds())))
    }
    rates.push(bytes / seconds / 1e6)
  }
  if (idsPath) {
    writeFileSync(idsPath, Buffer.concat(results.flatMap((ids) => [Buffer.from(Int32Array.of(ids.length).buffer), Buffer.from(ids.buffer)])))
  }
  console.log(JSON.stringify({ tokens: results.reduce((sum, ids) => sum + ids.length, 0), bytes, megabytes_per_second: rates }))
}

if (verb === 'train') train(...args)
else if (verb === 'split') split(...args)
else if (verb === 'encode') await encode(...args)
else throw new Error(`no verb '${verb}'`)
