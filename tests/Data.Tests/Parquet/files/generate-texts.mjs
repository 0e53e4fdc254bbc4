// Writes texts.tar.gz: a column of texts between two others, as three other programs write it, in every codec, page version and encoding of strings that they
// offer. Install and run it as generate.mjs says:
//
//   cp generate-texts.mjs SOME_FOLDER && node SOME_FOLDER/generate-texts.mjs OUTPUT_FOLDER
//
// The texts are those of `ForeignTexts` in the tests, which computes them by itself. Every file is also read back with DuckDB, which must find the same.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gzipSync, brotliCompressSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import * as arrow from 'apache-arrow'
import * as wasm from 'parquet-wasm'
import { ByteWriter, parquetWrite } from 'hyparquet-writer'

const output = resolve(process.argv[2])
const folder = join(output, 'texts')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

// 300 rows: null, empty, of a few words, and every hundredth of some thousands; in two bytes, three and four a character, too.
const textOf = i => i % 10 === 9 ? null : i % 10 === 4 ? '' : `row ${i}` + ' na\u00efve \u65e5\u672c \u{1f600}'.repeat(i % 100 === 50 ? 700 : i % 7)
const texts = Array.from({ length: 300 }, (_, i) => textOf(i))
const present = texts.map(text => text ?? '')
const ids = texts.map((_, i) => i)

const connection = await (await DuckDBInstance.create(':memory:')).connect()
await connection.run('SET threads=1')
const quoted = path => `'${path.replaceAll("'", "''")}'`
async function requireReadBack(name, wanted) {
  const reader = await connection.runAndReadAll(`SELECT text::VARCHAR AS t FROM ${quoted(join(folder, name + '.parquet'))}`)
  const found = reader.getRowObjects().map(row => row.t)
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`DuckDB reads something else from ${name}`)
}

await connection.run('CREATE TABLE t (id INTEGER, text VARCHAR, url VARCHAR)')
for (const i of ids) await connection.run('INSERT INTO t VALUES ($1, $2, $3)', [i, texts[i], `https://example.org/${i}`])
for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4_raw']) {
  for (const version of ['v1', 'v2']) {
    for (const [encoding, limit] of [['plain', 1], ['dictionary', 100000]]) {
      const name = `duckdb-${version}-${encoding}-${codec}`
      await connection.run(`COPY t TO ${quoted(join(folder, name + '.parquet'))} (FORMAT parquet, CODEC '${codec}', PARQUET_VERSION ${version}, DICTIONARY_SIZE_LIMIT ${limit})`)
      await requireReadBack(name, texts)
    }
  }
}
await connection.run(`COPY (SELECT id, encode(text) AS text FROM t) TO ${quoted(join(folder, 'duckdb-v1-blob-zstd.parquet'))} (FORMAT parquet, CODEC 'zstd')`)

const { V1, V2 } = wasm.WriterVersion
const { RLE_DICTIONARY, ...encodings } = wasm.Encoding
const tunes = {
  dictionary: b => b,
  fallback: b => b.setDictionaryPageSizeLimit(512),
  plain: b => b.setDictionaryEnabled(false),
  deltalength: b => b.setDictionaryEnabled(false).setColumnEncoding('text', encodings.DELTA_LENGTH_BYTE_ARRAY),
  delta: b => b.setDictionaryEnabled(false).setColumnEncoding('text', encodings.DELTA_BYTE_ARRAY),
}
for (const codec of ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD', 'LZ4_RAW']) {
  for (const [version, code] of [['v1', V1], ['v2', V2]]) {
    for (const [encoding, tune] of Object.entries(tunes)) {
      const table = wasm.Table.fromIPCStream(arrow.tableToIPC(new arrow.Table({
        id: arrow.vectorFromArray(ids, new arrow.Int32()),
        text: arrow.vectorFromArray(texts, encoding === 'plain' ? new arrow.LargeUtf8() : new arrow.Utf8()),
      }), 'stream'))
      const name = `arrow-${version}-${encoding}-${codec.toLowerCase()}`
      const builder = new wasm.WriterPropertiesBuilder().setWriterVersion(code).setCompression(wasm.Compression[codec])
        .setWriteBatchSize(64).setDataPageSizeLimit(2048).setMaxRowGroupSize(128)
      writeFileSync(join(folder, name + '.parquet'), wasm.writeParquet(table, tune(builder).build()))
      await requireReadBack(name, texts)
    }
  }
}

const compressors = { GZIP: bytes => new Uint8Array(gzipSync(bytes)), BROTLI: bytes => new Uint8Array(brotliCompressSync(bytes)) }
for (const [shape, data, repetition_type] of [['optional', texts, 'OPTIONAL'], ['required', present, 'REQUIRED']]) {
  for (const encoding of ['PLAIN', 'RLE_DICTIONARY', 'DELTA_LENGTH_BYTE_ARRAY', 'DELTA_BYTE_ARRAY']) {
    for (const codec of ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI']) {
      const writer = new ByteWriter()
      parquetWrite({
        writer, codec, compressors, pageSize: 2048, rowGroupSize: 200,
        schema: [
          { name: 'root', num_children: 2 },
          { name: 'id', repetition_type: 'REQUIRED', type: 'INT32' },
          { name: 'text', repetition_type, type: 'BYTE_ARRAY', converted_type: 'UTF8' },
        ],
        columnData: [{ name: 'id', data: ids }, { name: 'text', data, encoding }],
      })
      const name = `hyparquet-${shape}-${encoding.toLowerCase()}-${codec.toLowerCase()}`
      writeFileSync(join(folder, name + '.parquet'), new Uint8Array(writer.getBuffer()))
      await requireReadBack(name, data)
    }
  }
}

const names = readdirSync(folder)
execFileSync('bash', ['-c', `tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - -C "$1" . | gzip -n -9 > "$2"`, 'bash', folder, join(output, 'texts.tar.gz')])
rmSync(folder, { recursive: true })
console.log(`${names.length} files`)
