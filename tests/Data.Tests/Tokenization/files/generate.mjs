// Writes the files of this folder with Hugging Face's tokenizers, a Rust implementation that shares no code with this repository.
//
//   npm install --no-save --prefix SOME_FOLDER tokenizers@0.23.2
//   KVSHIFT_NODE_MODULES=SOME_FOLDER/node_modules node generate.mjs
//
// texts.jsonl     the texts: a JSON string each, or {"base64": ...} for bytes that are not UTF-8
// bytes.json, characters.json    two trained tokenizers, small
// cases.json      what each case changes in one of them: top-level keys are replaced, those of model one by one, vocab is added to
// golden.json     for each case and text the number of ids and 16 hexadecimal digits of the SHA-256 of the ids as little-endian int32
// ranks.tiktoken, ranks.json     bytes.json as a tiktoken file with its settings; its ids are those of the case "ranks"

import { createHash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(process.env.KVSHIFT_NODE_MODULES + '/')
const { Tokenizer, BPE, byteLevelPreTokenizer, byteLevelAlphabet, metaspacePreTokenizer } = require('tokenizers')
const root = new URL('../../../../', import.meta.url)

let state = 99
function random(limit) {
  state = (state + 0x9e3779b9) | 0
  let z = state
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  return ((z ^ (z >>> 15)) >>> 0) % limit
}
const pick = (list) => list[random(list.length)]

// ---- texts

const scripts = [
  [0x0430, 0x044f], [0x03b1, 0x03c9], [0x05d0, 0x05ea], [0x0621, 0x064a], [0x0905, 0x0939], [0x0e01, 0x0e2e], [0x3041, 0x3096],
  [0x30a1, 0x30fa], [0x4e00, 0x9fff], [0xac00, 0xd7a3], [0x20000, 0x2a6df], [0x10400, 0x1044f], [0x1d400, 0x1d7ff], [0x1100, 0x11ff],
]
const word = ([first, last]) =>
  Array.from({ length: 1 + random(7) }, () => String.fromCodePoint(first + random(last - first + 1))).join('')
const words = scripts.map((script) => Array.from({ length: 40 }, () => word(script)))
const emoji = ['😀', '👍🏽', '👩‍👩‍👧‍👦', '🇩🇪', '❤️', '🏳️‍🌈', '1️⃣', '✨', '½', 'Ⅷ', '٣٤', '—', '…', '“x”', '\u212b', 'e\u0301', 'ạ\u0302', 'ﬁ']
const blanks = ['\n', '\n\n', '\r\n', '\t', '  ', '   ', '\u00a0', '\u3000', '\u2028', ' \n ', '\u0085', '\n \n', ' \r', '\v', '\u200b']
const endings = ["'s", "'LL", "'ve", '’s', '.', ', ', '!?', ':', '123', '20241', '3.14', 'ſ', "'ſ", "'RE", '\n\n', '/*', '//', '▁', ' ▁', '<s>']
const special = ['<|endoftext|>', '</s>', '<|end', ' </s> ', '[MASK]', 'x[MASK]y', ' <w> ', 'a<w>', '<w>', '    ', '<keep>', ' <KEEP>', '<long', '<longer>']

function mixed(count) {
  let text = ''
  let list = pick(words)
  for (; count > 0; count--) {
    if (random(10) === 0) list = pick(words)
    text += (random(6) > 0 ? ' ' : pick(blanks)) + (random(3) > 0 ? pick(list) : pick(english))
    if (random(5) === 0) text += pick(endings)
    if (random(12) === 0) text += pick(emoji)
    if (random(15) === 0) text += pick(special)
  }
  return random(2) === 0 ? text : text.trimStart()
}

function codePoints(count) {
  let text = ''
  for (; count > 0; count--) {
    const codePoint = random(pick([0x80, 0x100, 0x3000, 0x10000, 0x20000, 0x110000]))
    if (codePoint < 0xd800 || codePoint >= 0xe000) text += String.fromCodePoint(codePoint)
  }
  return text
}

function broken(text) {
  const bytes = Buffer.from(text)
  for (let changes = 1 + random(2 + (bytes.length >> 4)); changes > 0; changes--) {
    bytes[random(bytes.length)] = pick([0x80, 0xbf, 0xc0, 0xc3, 0xe2, 0xed, 0xf0, 0xf4, 0xf5, 0xff, 0xe0, 0xa0, 0xd8])
  }
  return bytes.subarray(0, bytes.length - random(Math.min(4, bytes.length)))
}

const read = (path) => readFileSync(new URL(path, root), 'utf8')
const prose = read('docs/design.md').slice(0, 4000)
const code = read('src/Data/Loading/EpochOrder.cs').slice(0, 2500)
const english = prose.split(/[^a-zA-Z']+/).filter((part) => part.length > 0)

const texts = [
  '', ' ', '  ', '\n', ' \n', '\n ', 'a', ' a', '  a', 'a ', 'a  ', '▁', ' ▁', '▁a', 'a▁b', '\t', '\r\n\r\n', "'", "''s", " 's", "'S't'RE", '0', '0123456789',
  '<|endoftext|>', 'a<|endoftext|>b', ' <|endoftext|> b', '<|endoftext|><|endoftext|>', '<s>x</s>', 'x </s> y</s>z', '[MASK]', ' [MASK] a', 'a\u0301[MASK]',
  '<w> <w>x <w>_ x<w> (<w>)', '        x', 'x    \n    y', '<keep> <KEEP>', '<long <longer>', 'a\u0000b', 'é', 'e\u0301', '\u1100\u1161\u11a8', '\u0344\u0f73',
  '😀', '👩‍👩‍👧‍👦', "don't DON'T we'll've 'ſ x'ſ", 'x \n \n  y', '!!!\n\n\n?? ?\r\n', ' !\n', '١٢٣٤٥', '𝟘𝟙𝟚𝟛', '\ufeffbom', 'ab\u200cc', 'A\u0085B\u2028C',
  'a'.repeat(3000), '=-'.repeat(700), ' '.repeat(1000) + 'x', '\n'.repeat(300), '漢字'.repeat(200), "'".repeat(50), '1'.repeat(100), 'ab '.repeat(50),
  Array.from({ length: 3000 }, () => String.fromCharCode(97 + random(26))).join(''),
  prose, code, '\n' + code.replaceAll('    ', '\t'), prose.toUpperCase().slice(0, 1500),
  ...Array.from({ length: 60 }, () => mixed(10 + random(120))),
  ...Array.from({ length: 20 }, () => codePoints(200)),
  Buffer.from([0x61, 0xf0, 0x9f, 0x98, 0x62, 0xe2, 0x82, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0xc0, 0xaf, 0xff, 0xe0, 0x80, 0x80]),
  ...Array.from({ length: 20 }, () => broken(mixed(40))),
]
const stringOf = (text) => (typeof text === 'string' ? text : text.toString('utf8'))
writeFileSync('texts.jsonl', texts.map((text) => JSON.stringify(typeof text === 'string' ? text : { base64: text.toString('base64') }) + '\n').join(''))

// ---- two trained tokenizers, cut to a few hundred merges

function train(preTokenizer) {
  const tokenizer = new Tokenizer(BPE.empty())
  tokenizer.setPreTokenizer(preTokenizer)
  writeFileSync('training.txt', texts.map(stringOf).join('\n'))
  tokenizer.train(['training.txt'])
  rmSync('training.txt')
  tokenizer.save('trained.json')
  const json = JSON.parse(readFileSync('trained.json', 'utf8'))
  rmSync('trained.json')
  return json
}

// The vocabulary of given symbols and the first merges among them, with ids in that order.
function cut(json, symbols, mergeCount) {
  const vocab = {}
  for (const symbol of symbols) vocab[symbol] ??= Object.keys(vocab).length
  const merges = []
  for (const [left, right] of json.model.merges) {
    if (merges.length === mergeCount) break
    if (!(left in vocab) || !(right in vocab)) continue
    merges.push([left, right])
    vocab[left + right] ??= Object.keys(vocab).length
  }
  json.model = { ...json.model, vocab, merges }
  json.added_tokens = []
  return json
}

const added = (id, content, flags = {}) => ({
  id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...flags,
})

const bytes = cut(train(byteLevelPreTokenizer(false, true)), byteLevelAlphabet().sort(), 1500)
const byteTokens = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`)
const trainedCharacters = train(metaspacePreTokenizer('▁', 'always', true))
const letters = Object.keys(trainedCharacters.model.vocab).filter((token) => [...token].length === 1 && token.codePointAt(0) < 0x3100)
const characters = cut(trainedCharacters, ['<unk>', '<s>', '</s>', ...byteTokens, ...letters.sort()], 900)
Object.assign(characters.model, { unk_token: '<unk>', fuse_unk: true, byte_fallback: true })
bytes.added_tokens = [added(Object.keys(bytes.model.vocab).length, '<|endoftext|>')]
characters.added_tokens = [added(0, '<unk>'), added(1, '<s>'), added(2, '</s>')]
writeFileSync('bytes.json', JSON.stringify(bytes))
writeFileSync('characters.json', JSON.stringify(characters))

// ---- cases

const cl100k = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const qwen2 = cl100k.replace('\\p{N}{1,3}', '\\p{N}')
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]'
const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]'
const o200k =
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
  '|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
const split = (expression, behavior = 'Isolated', invert = false) => ({ type: 'Split', pattern: { Regex: expression }, behavior, invert })
const byteLevel = (use_regex, add_prefix_space = false) => ({ type: 'ByteLevel', add_prefix_space, trim_offsets: true, use_regex })
const sequence = (...pretokenizers) => ({ type: 'Sequence', pretokenizers })
const metaspace = (prepend_scheme, split) => ({ type: 'Metaspace', replacement: '▁', prepend_scheme, split })
const prepend = { type: 'Prepend', prepend: '▁' }
const replaceBlanks = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }
const steps = (...normalizers) => ({ type: 'Sequence', normalizers })
const next = Object.keys(bytes.model.vocab).length
const plain = { special: false }

const cases = {
  'gpt-2': { base: 'bytes' },
  'prefix blank': { base: 'bytes', changes: { pre_tokenizer: byteLevel(true, true) } },
  'gpt-2 as split': { base: 'bytes', changes: { pre_tokenizer: sequence(split(gpt2), byteLevel(false)) } },
  cl100k: { base: 'bytes', changes: { pre_tokenizer: sequence(split(cl100k), byteLevel(false)) } },
  'cl100k, inverted': { base: 'bytes', changes: { pre_tokenizer: sequence(split(cl100k, 'Removed', true), byteLevel(false)) } },
  'whole pieces': {
    base: 'bytes',
    changes: {
      pre_tokenizer: sequence(split(cl100k), byteLevel(false)),
      model: { ignore_merges: true, vocab: { 'Ġparallel': next, Configuration: next + 1, 'Ġzq': next + 2, 'ĠRanks': next + 3 } },
      added_tokens: [added(next + 4, '<|endoftext|>')],
    },
  },
  qwen2: { base: 'bytes', changes: { normalizer: { type: 'NFC' }, pre_tokenizer: sequence(split(qwen2), byteLevel(false)) } },
  'single digits': { base: 'bytes', changes: { pre_tokenizer: sequence({ type: 'Digits', individual_digits: true }, byteLevel(true)) } },
  digits: { base: 'bytes', changes: { pre_tokenizer: sequence({ type: 'Digits', individual_digits: false }, byteLevel(true)) } },
  o200k: { base: 'bytes', changes: { pre_tokenizer: sequence(split(o200k), byteLevel(false)) } },
  'three splits': {
    base: 'bytes',
    changes: { pre_tokenizer: sequence(split('\\p{N}{1,3}'), split('[一-龥\u3040-ゟ゠-ヿ]+'), split('\\s?[A-Za-z]+|\\s?[^\\sA-Za-z]+|\\s+'), byteLevel(false)) },
  },
  'split at a letter': {
    base: 'bytes',
    changes: { pre_tokenizer: sequence({ type: 'Split', pattern: { String: 'e' }, behavior: 'Isolated', invert: false }, byteLevel(false)) },
  },
  'no split': { base: 'bytes', changes: { pre_tokenizer: byteLevel(false) } },
  'added tokens': {
    base: 'bytes',
    changes: {
      added_tokens: [
        added(next, '<|endoftext|>'), added(next + 1, '<|end'), added(next + 2, '</s>', { lstrip: true }), added(next + 3, '[MASK]', { rstrip: true }),
        added(next + 4, '<w>', { single_word: true, ...plain }), added(next + 5, '    ', plain), added(next + 6, '  ', plain),
        added(next + 7, '<keep>', { lstrip: true, rstrip: true, ...plain }), added(next + 8, '<long', { normalized: true, ...plain }),
        added(next + 9, '<longer>', { normalized: true, ...plain }),
      ],
    },
  },
  'added tokens, normalized': {
    base: 'bytes',
    changes: {
      normalizer: { type: 'Replace', pattern: { String: 'KEEP' }, content: 'keep' },
      added_tokens: [added(next, '<|endoftext|>'), added(next + 1, '<keep>', { normalized: true, ...plain }), added(next + 2, '<KEEP>', plain)],
    },
  },
  ranks: { base: 'bytes', changes: { pre_tokenizer: sequence(split(cl100k), byteLevel(false)), model: { ignore_merges: true } } },
  'llama 2': {
    base: 'characters',
    changes: {
      normalizer: steps(prepend, replaceBlanks),
      pre_tokenizer: null,
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' },
          { type: 'Strip', content: ' ', start: 1, stop: 0 },
        ],
      },
    },
  },
  'inner blanks': {
    base: 'characters',
    changes: {
      normalizer: steps(prepend, replaceBlanks),
      pre_tokenizer: null,
      model: {
        vocab: { 'e▁': 5001, 's▁': 5002, ',▁': 5003, 'e▁t': 5004 },
        merges: [['e', '▁'], ['s', '▁'], ...characters.model.merges.slice(0, 300), [',', '▁'], ['e▁', 't']],
      },
    },
  },
  'metaspace always': { base: 'characters', changes: { pre_tokenizer: metaspace('always', true) } },
  'metaspace first': { base: 'characters', changes: { pre_tokenizer: metaspace('first', true) } },
  'metaspace never': { base: 'characters', changes: { pre_tokenizer: metaspace('never', true) } },
  'metaspace unsplit': { base: 'characters', changes: { pre_tokenizer: metaspace('first', false) } },
  'metaspace, digits': { base: 'characters', changes: { pre_tokenizer: sequence(metaspace('always', false), { type: 'Digits', individual_digits: true }) } },
  'replaced blanks': { base: 'characters', changes: { normalizer: replaceBlanks, pre_tokenizer: null } },
}
writeFileSync('cases.json', JSON.stringify(cases, null, 1))

// ---- what they give

const golden = {}
for (const [name, { base, changes = {} }] of Object.entries(cases)) {
  const json = JSON.parse(readFileSync(base + '.json', 'utf8'))
  const model = { ...json.model, ...changes.model, vocab: { ...json.model.vocab, ...changes.model?.vocab } }
  const tokenizer = Tokenizer.fromString(JSON.stringify({ ...json, ...changes, model }))
  golden[name] = []
  for (const text of texts) {
    const ids = Int32Array.from((await tokenizer.encode(stringOf(text), null, { addSpecialTokens: false })).getIds())
    golden[name].push(`${ids.length} ${createHash('sha256').update(Buffer.from(ids.buffer)).digest('hex').slice(0, 16)}`)
  }
}
writeFileSync('golden.json', JSON.stringify(golden, null, 1))

// ---- the same as a tiktoken file

const symbols = byteLevelAlphabet()
const standing = (i) => (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174
const byteOf = {}
for (let i = 0, renamed = 0; i < 256; i++) byteOf[String.fromCharCode(standing(i) ? i : 256 + renamed++)] = i
if (symbols.some((symbol) => !(symbol in byteOf))) throw new Error('unexpected byte alphabet')
const lines = Object.entries(bytes.model.vocab).sort((a, b) => a[1] - b[1])
writeFileSync('ranks.tiktoken', lines.map(([token, id]) => `${Buffer.from([...token].map((c) => byteOf[c])).toString('base64')} ${id}\n`).join(''))
writeFileSync('ranks.json', JSON.stringify({ pattern: cl100k, special_tokens: { '<|endoftext|>': next } }))
