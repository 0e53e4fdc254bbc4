// Writes a corpus of mixed text to encode and to train on: documents of raw bytes, each after its length as four bytes (little endian).
//
//   node corpus.mjs OUTPUT MEGABYTES
//
// Two fifths are .NET API documentation and source code of this machine (C headers, Python), a fifth the locale files of glibc (names of
// days, months and countries in some 200 languages), the rest is made here: words of many scripts, emoji, random code points, long runs
// without a blank, and pieces of all of it with broken UTF-8. The same machine gives the same bytes each time.

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [output, megabytes] = [process.argv[2], Number(process.argv[3])]
const total = megabytes * 1e6

// A counter-based generator (splitmix32), so that the corpus needs no library and no seed file.
let state = 12345
function random(limit) {
  state = (state + 0x9e3779b9) | 0
  let z = state
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  return ((z ^ (z >>> 15)) >>> 0) % limit
}

function* files(folder, extension) {
  let entries
  try {
    entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch {
    return
  }
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* files(path, extension)
    else if (entry.isFile() && entry.name.endsWith(extension)) yield path
  }
}

// Every nth file, so that many programs have a part in it; at most 32 kB of each.
function* sources(folder, extension, share) {
  const paths = [...files(folder, extension)]
  const largest = 32768
  const step = Math.max(1, Math.floor(paths.length / Math.max(1, (share / 16384) | 0)))
  let bytes = 0
  for (let i = 0; i < paths.length && bytes < share; i += step) {
    const size = statSync(paths[i]).size
    if (size === 0) continue
    const content = readFileSync(paths[i]).subarray(0, largest)
    bytes += content.length
    yield content
  }
}

function* documentation(share) {
  let bytes = 0
  for (const path of files('/usr/share/dotnet/packs', '.xml')) {
    const content = readFileSync(path).subarray(0, 65536)
    for (const member of content.toString('utf8').split('</member>')) {
      const text = Buffer.from(member.replace(/<[^>]*>/g, ' ').trim())
      if (text.length < 40) continue
      bytes += text.length
      yield text
      if (bytes >= share) return
    }
  }
}

const scripts = [
  [0x0430, 0x044f], [0x03b1, 0x03c9], [0x05d0, 0x05ea], [0x0621, 0x064a], [0x0905, 0x0939], [0x0e01, 0x0e2e], [0x10d0, 0x10f0],
  [0x1200, 0x1248], [0x3041, 0x3096], [0x30a1, 0x30fa], [0x4e00, 0x9fff], [0xac00, 0xd7a3], [0x0531, 0x0556], [0x0c85, 0x0cb9],
  [0x1780, 0x17b3], [0x20000, 0x2a6df], [0x10400, 0x1044f], [0x1d400, 0x1d7ff],
]
const emoji = ['😀', '👍🏽', '👩‍👩‍👧‍👦', '🇩🇪', '❤️', '🏳️‍🌈', '🤷‍♂️', '1️⃣', '✨', '🚀', '漢', '½', 'Ⅷ', '٣٤', '—', '…', '“x”']
const blanks = ['\n', '\n\n', '\r\n', '\t', '  ', '   ', '\u00a0', '\u3000', '\u2028', ' \n ', '\u0085']
const endings = ["'s", "'LL", "'ve", "’s", '.', ', ', '!?', ':', ' - ', '…', '123', '2024', '3.14', 'ſ', "'ſ"]

function word([first, last]) {
  let text = ''
  for (let length = 1 + random(8); length > 0; length--) text += String.fromCodePoint(first + random(last - first + 1))
  return text
}

// Few words make most of a text, as in a language.
const words = scripts.map((script) => Array.from({ length: 400 }, () => word(script)))
const usual = (list) => list[Math.min(random(list.length), random(list.length), random(list.length))]

function* otherScripts(share) {
  for (let bytes = 0; bytes < share; ) {
    const list = words[random(words.length)]
    let text = ''
    for (let count = 20 + random(200); count > 0; count--) {
      text += (random(12) > 0 ? ' ' : blanks[random(blanks.length)]) + usual(list)
      if (random(8) === 0) text += endings[random(endings.length)]
      if (random(25) === 0) text += emoji[random(emoji.length)].repeat(1 + random(3))
    }
    const document = Buffer.from(text)
    bytes += document.length
    yield document
  }
}

function* randomCodePoints(share) {
  for (let bytes = 0; bytes < share; ) {
    let text = ''
    for (let count = 100 + random(500); count > 0; count--) {
      const limit = [0x80, 0x100, 0x3000, 0x10000, 0x20000, 0x110000][random(6)]
      const codePoint = random(limit)
      if (codePoint < 0xd800 || codePoint >= 0xe000) text += String.fromCodePoint(codePoint)
    }
    const document = Buffer.from(text)
    bytes += document.length
    yield document
  }
}

function* longRuns(share) {
  for (let i = 0, bytes = 0; bytes < share; i++) {
    const kind = i % 4
    const length = 2000 + random(6000)
    let text = ''
    while (text.length < length) {
      if (kind === 0) text += String.fromCharCode(97 + random(26))
      else if (kind === 1) text += Buffer.from([random(256), random(256), random(256)]).toString('base64')
      else if (kind === 2) text += String.fromCodePoint(0x4e00 + random(3000))
      else text += ' \t-=*#'[random(6)].repeat(1 + random(300))
    }
    const document = Buffer.from(text)
    bytes += document.length
    yield document
  }
}

function* locales(share) {
  const name = /<U([0-9A-F]{4,8})>/g
  let bytes = 0
  for (const path of files('/usr/share/i18n/locales', '')) {
    const text = readFileSync(path, 'utf8').replace(name, (_, code) => String.fromCodePoint(parseInt(code, 16)))
    const document = Buffer.from(text.slice(0, 20000))
    bytes += document.length
    yield document
    if (bytes >= share) return
  }
}

function broken(document) {
  const bytes = Buffer.from(document)
  for (let changes = 1 + random(1 + (bytes.length >> 5)); changes > 0; changes--) {
    bytes[random(bytes.length)] = [0x80, 0xbf, 0xc0, 0xc3, 0xe2, 0xed, 0xf0, 0xf4, 0xf5, 0xff, 0xe0, 0xa0][random(12)]
  }
  return bytes.subarray(0, bytes.length - random(Math.min(4, bytes.length)))
}

const parts = [
  ...documentation(0.2 * total),
  ...sources('/usr/include', '.h', 0.12 * total),
  ...sources('/usr/lib/python3', '.py', 0.04 * total),
  ...sources('/usr/lib/python3.11', '.py', 0.04 * total),
  ...locales(0.2 * total),
  ...otherScripts(0.26 * total),
  ...randomCodePoints(0.02 * total),
  ...longRuns(0.04 * total),
]
let size = parts.reduce((sum, part) => sum + part.length, 0)
while (size < total) {
  const document = broken(parts[random(parts.length)])
  parts.push(document)
  size += document.length
}

// Kinds of text take turns, as they do in a corpus.
for (let i = parts.length - 1; i > 0; i--) {
  const j = random(i + 1)
  ;[parts[i], parts[j]] = [parts[j], parts[i]]
}

writeFileSync(
  output,
  Buffer.concat(parts.filter((part) => part.length > 0).flatMap((part) => {
    const length = Buffer.alloc(4)
    length.writeInt32LE(part.length)
    return [length, part]
  })),
)
