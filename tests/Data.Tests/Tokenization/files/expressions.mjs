// Writes expressions.json with Hugging Face's tokenizers, which gives split expressions to Oniguruma: what each expression makes of a text of its own
// (the pieces) and of all texts of texts.jsonl (a digest), and digests of general categories.
//
//   npm install --no-save --prefix SOME_FOLDER tokenizers@0.23.2
//   KVSHIFT_NODE_MODULES=SOME_FOLDER/node_modules node expressions.mjs

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { Tokenizer } = createRequire(process.env.KVSHIFT_NODE_MODULES + '/')('tokenizers')

function splitter(expression, behavior = 'Isolated', invert = false) {
  const split = { type: 'Split', pattern: { Regex: expression }, behavior, invert }
  return Tokenizer.fromString(JSON.stringify({ pre_tokenizer: split, model: { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' } })).getPreTokenizer()
}
const pieces = (expression, text) => splitter(expression).preTokenizeString(text).map(([piece]) => piece)
const digest = (text) => createHash('sha256').update(text).digest('hex').slice(0, 16)

const lines = 'one\ntwo \n\nthree\r\nfour\n'
const marks = 'ab12 Ŀe\u0301²Ⅷ½ ٣٤_x-\u200dy\u00a0\u3000漢字かなカナ한글Жд𝒳𝟙😀\u0007\tß'
const letters = 'The abcdefghijklmnopqrstuvwxyz AEIOUaeiou xyz'
const cases = [
  // POSIX brackets
  ...['alnum', 'alpha', 'ascii', 'blank', 'cntrl', 'digit', 'graph', 'lower', 'print', 'punct', 'space', 'upper', 'word', 'xdigit']
    .flatMap((name) => [[`[[:${name}:]]+`, marks], [`[^[:${name}:]a]+`, marks], [`[[:^${name}:]]`, marks]]),
  ['[[:alpha:]]+|[[:digit:]]+|[[:space:]]+', 'the run and the data 12'],
  ['[[:alpha:][:digit:]_-]+', marks],
  // sets of sets
  ['[a-z&&[^aeiou]]+|[A-Z]+|[^a-zA-Z]+', letters],
  ['[a-w&&[^c-g]z]+', letters], ['[^a-w&&[^c-g]z]+', letters], ['[a-z&&b-y&&[^m]]+', letters], ['[a[bc]d]+', letters], ['[^a[bc]d]+', letters],
  ['[[^a-z]&&[^ ]]+', letters], ['[\\p{L}&&[^\\p{Lu}]]+', marks], ['[\\p{L}\\p{M}&&[^\\p{Han}]]+|[\\p{Han}]+', marks], ['[[a-f]&&[d-k]]+', letters],
  ['[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+|[\\p{Han}]+|\\p{N}{1,3}|\\s+', marks],
  ['[a&b]+', 'a&b'], ['[a~~b]+', 'a~b'], ['[]a]+', 'a]b'], ['[^]a]+', 'a]b'], ['[a-c-e]+', 'abc-de'], ['[-a]+', 'a-b'], ['[a-]+', 'a-b'], ['[+\\--]+', '+,-.'],
  ['[\\w-]+', 'a-b'], ['[\\]\\[]+', 'a[]b'], ['[a]]', 'a]b]'], ['[\\b\\e\\a\\f\\v]+', 'a\b\x1b\x07\f\vb'], ['[\\x41-\\x43\\u0044\\x{45}]+', 'ABCDEF'],
  // escapes
  ['\\h+', 'xyzabc12 fade gH'], ['\\H+', 'xyzabc12 fade gH'], ['\\w+', marks], ['\\W+', marks], ['[\\w]+', marks], ['[^\\w]+', marks], ['[\\W]+', marks], ['[\\p{word}_]+', marks], ['\\d+', marks], ['\\D+', marks], ['\\s+', marks], ['\\S+', marks],
  ['\\R', lines], ['\\N+', lines], ['\\O', 'a\nb'], ['\\v+', 'a\v\nb'], ['\\0', 'a\0b'], ['\\-\\ \\#', 'a- #b'], ['\\x{1F600}', marks], ['\\x20', 'a b'], ['\\u6f22', marks],
  // anchors
  ['^\\w+', lines], ['\\w+$', lines], ['^', lines], ['$', lines], ['\\s++$', 'a  \n b  '], ['\\s+$', 'a \n\n b \n'], ['\\A\\w+', lines], ['\\w+\\s*\\Z', lines], ['\\n\\z', lines],
  ['\\Z', lines], ['^\\s*$', lines], ['(?<=^)t', lines], ['\\b', 'ab c-d é 1²'], ['\\B', 'ab c-d é 1²'], ['\\b\\w', marks], ['^$', '\n\n'],
  // repetition
  ['a{2}+', 'aaaaa b aaaa'], ['\\p{N}{1,3}+', '1234567 12'], ['a{2}?b', 'b aab ab'], ['xa{2}?', 'xb xaa'], ['a{,2}', 'aaaaa'], ['a{2,}?', 'aaaaa'], ['a{1,3}?', 'aaaaa'],
  ['a++a|b', 'aaab'], ['a*+b', 'aab ab b'], ['a?+a', 'aa a'], ['(?>a+)b', 'aab'], ['(?:ab)+', 'ababa'], ['a*?b', 'aab'], ['a*', 'baab'], ['(?:a|ab)(?:c|bcd)', 'abcd'],
  // groups and options
  ['a(?i)b|c', 'aBCabC'], ['(?i)the|run', 'The RUN the'], ["(?i:'s|'t|'re|'ve|'m|'ll|'d)", "it's IT'S 'ſ 'K"], ['(?i:k)', 'kK\u212A'], ['(?i:[sdmt]|ll|ve|re)', 'sSſdDllLL'],
  ['(?i)[^a-z]+', 'aſb\u212A1'], ['(?i:a)b', 'AbaBab'], ['(?i-i:a)', 'aA'], ['(?m).+', lines], ['(?m:.)+', lines], ['.+', lines], ['(?-m).+', lines], ['(?#note)a', 'ab'],
  ['(a)(?<name>b)', 'abab'], ['(?<!a)b', 'abcb'], ['(?<=a|bc)d', 'adbcd'], ['(?<=\\d{2})x', '1x12x'], ['(?<!\\s)\\s(?=\\S)', 'a b  c'], ['a(?=b)', 'abac'], ['a(?!b)', 'abac'],
  ['(?:)', 'ab'], ['|a', 'ba'], ['a||b', 'ab'],
  // properties
  ...['Han', 'han', 'Hiragana', 'Katakana', 'Hangul', 'Latin', 'Cyrillic', 'Greek', 'Arabic', 'Common', 'Alphabetic', 'Uppercase', 'white_space', 'Uppercase Letter', 'uppercaseletter',
    'Lu', 'lu', 'L', 'Letter', 'LC', 'M', 'N', 'Nd', 'P', 'S', 'Z', 'C', 'Any', 'Assigned', '^L', 'Emoji', 'Alnum', 'Punct', 'Word', 'Ideographic', 'Old_Italic']
    .flatMap((name) => [[`\\p{${name}}+`, marks]]),
  ['\\P{L}+', marks], ['\\P{^L}+', marks], ['[\\p{^L}a]+', marks], ['[^\\P{L}b]+', marks],
  // published in the wild
  ['[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+', lines],
  [' ?[^(\\s|[.,!?…。，、।۔،])]+', 'one, two! three… (four)'],
  ['[\\r\\n]|\\s?\\p{L}+|\\s?\\p{P}+|[一-龥ࠀ-一가-퟿]+|\\p{N}', marks],
  ['\\p{N}{1,3}(?=(?:\\p{N}{3})*(?:\\P{N}|$))', '1234567 12345\n1234'],
  ['[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+', marks],
  ['(?:\\r?\\n)+(?!\\r?\\n)', lines],
]

const texts = readFileSync('texts.jsonl', 'utf8').split('\n').filter((line) => line).map((line) => JSON.parse(line))
  .map((text) => (typeof text === 'string' ? text : Buffer.from(text.base64, 'base64').toString('utf8')))
const expressions = cases.map(([expression, text]) => ({
  expression, text, pieces: pieces(expression, text), digest: digest(texts.map((other) => pieces(expression, other).join('\u0001')).join('\u0002')),
}))

const names = ['Lu', 'Ll', 'Lt', 'Lm', 'Lo', 'Mn', 'Mc', 'Me', 'Nd', 'Nl', 'No', 'Pc', 'Pd', 'Ps', 'Pe', 'Pi', 'Pf', 'Po', 'Sm', 'Sc', 'Sk', 'So', 'Zs', 'Zl', 'Zp', 'Cc', 'Cf', 'Co', 'Cn']
const categories = {}
for (const name of names) {
  const matcher = splitter(`\\p{${name}}+`, 'Removed', true)
  const found = []
  for (let first = 0; first < 0x110000; first += 0x1000) {
    let block = ''
    for (let c = first; c < first + 0x1000; c++) if (c < 0xd800 || c > 0xdfff) block += String.fromCodePoint(c)
    if (block) for (const [piece] of matcher.preTokenizeString(block)) for (const character of piece) found.push(character.codePointAt(0))
  }
  categories[name] = `${found.length} ${digest(found.join(' '))}`
}
writeFileSync('expressions.json', JSON.stringify({ categories, expressions }, null, 1))
