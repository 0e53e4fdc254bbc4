// Writes character-sets.txt: the code points of named sets as Oniguruma has them inside Hugging Face's tokenizers, asked of it code point by code
// point, as what its documentation says and what it does differ (\w has U+00B2, [[:word:]] has not). General categories are not here: .NET knows
// them. A line is a name, a tab, and for each range its distance from the end of the one before and its length, in hexadecimal.
//
//   npm install --no-save --prefix SOME_FOLDER tokenizers@0.23.2
//   KVSHIFT_NODE_MODULES=SOME_FOLDER/node_modules node character-sets.mjs > character-sets.txt

import { createRequire } from 'node:module'

const { Tokenizer } = createRequire(process.env.KVSHIFT_NODE_MODULES + '/')('tokenizers')

const scripts = `Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki Bopomofo Brahmi Braille
  Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan
  Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha
  Greek Gujarati Gunjala_Gondi Gurmukhi Gurung_Khema Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
  Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki
  Khudawadi Kirat_Rai Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen
  Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean
  Nag_Mundari Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal Old_Hungarian Old_Italic Old_North_Arabian
  Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa
  Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo
  Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh
  Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square`.split(/\s+/)
const properties = ['Alphabetic', 'Uppercase', 'Lowercase', 'White_Space', 'Emoji', 'Emoji_Presentation', 'Extended_Pictographic', 'Ideographic']
const posix = ['alnum', 'alpha', 'ascii', 'blank', 'cntrl', 'digit', 'graph', 'lower', 'print', 'punct', 'space', 'upper', 'word', 'xdigit']
const sets = ['\\w', '\\s', '\\d', '\\h', ...posix.map((name) => `[[:${name}:]]`), ...[...posix, ...properties, ...scripts].map((name) => `\\p{${name}}`)]

function matcher(set) {
  const split = { type: 'Split', pattern: { Regex: set + '+' }, behavior: 'Removed', invert: true }
  return Tokenizer.fromString(JSON.stringify({ pre_tokenizer: split, model: { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' } })).getPreTokenizer()
}

const blocks = []
for (let first = 0; first < 0x110000; first += 0x1000) {
  let block = ''
  for (let c = first; c < first + 0x1000; c++) if (c < 0xd800 || c > 0xdfff) block += String.fromCodePoint(c)
  if (block) blocks.push(block)
}

for (const set of sets) {
  const splitter = matcher(set)
  const ranges = []
  for (const block of blocks) {
    for (const [piece] of splitter.preTokenizeString(block)) {
      for (const character of piece) {
        const codePoint = character.codePointAt(0)
        const last = ranges.at(-1)
        if (last && last[1] === codePoint) last[1]++
        else ranges.push([codePoint, codePoint + 1])
      }
    }
  }
  const steps = ranges.map(([from, to], i) => `${(from - (i ? ranges[i - 1][1] : 0)).toString(16)},${(to - from).toString(16)}`)
  console.log(`${set}\t${steps.join(' ')}`)
}
