// Writes matrix.tar.gz and matrix.json: what three other programs write, every codec, page version and encoding they offer, for several
// integer types, with the checksum that `kvshift data verify` has to find. Install and run it as generate.mjs says:
//
//   cp generate-matrix.mjs SOME_FOLDER && node SOME_FOLDER/generate-matrix.mjs OUTPUT_FOLDER
//
// The checksum is computed here from the documents, before any file exists: SHA-256 over each document's length and then its ids, all as
// little-endian int32; a null document counts as empty. Every file is also read back with DuckDB, which must find the same.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gzipSync, brotliCompressSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import * as arrow from 'apache-arrow'
import * as wasm from 'parquet-wasm'
import { parquetMetadata } from 'hyparquet'
import { ByteWriter, parquetWrite } from 'hyparquet-writer'
import { writeRleBitPackedHybrid } from './node_modules/hyparquet-writer/src/encoding.js'
import { writeMetadata } from './node_modules/hyparquet-writer/src/metadata.js'
import { serializeTCompactProtocol } from './node_modules/hyparquet-writer/src/thrift.js'

const output = resolve(process.argv[2])
const folder = join(output, 'matrix')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
const checksums = {}

// 300 documents of 0 to 400 tokens, most of them short. Ids repeat as words do; a few are as large as the type or int32 allows.
const lengthOf = i => i % 97 === 7 ? 400 - i % 2 : i % 4 === 0 ? 0 : (i * 7) % 13
const largest = { INTEGER: 2147483647, BIGINT: 2147483647, UINTEGER: 2147483647, USMALLINT: 65535, SMALLINT: 32767, UTINYINT: 255, UBIGINT: 2147483647 }
function documentsOf(type, mayBeNull) {
  return Array.from({ length: 300 }, (_, i) => mayBeNull && i % 10 === 9 ? null
    : Array.from({ length: lengthOf(i) }, (_, j) => i % 50 === 1 ? largest[type] - j % 200 : (i * 31 + j * (i % 5 === 2 ? j : 1) * 17) % (type === 'UTINYINT' ? 256 : i % 3 === 0 ? 97 : 4096)))
}
function record(name, documents) {
  const hash = createHash('sha256')
  let tokens = 0
  for (const document of documents.map(d => d ?? [])) {
    hash.update(Int32Array.of(document.length, ...document))
    tokens += document.length
  }
  checksums[name] = { rows: documents.length, tokens, sha256: hash.digest('hex') }
}

const connection = await (await DuckDBInstance.create(':memory:')).connect()
await connection.run('SET threads=1')
const quoted = path => `'${path.replaceAll("'", "''")}'`
async function requireReadBack(name, documents) {
  const reader = await connection.runAndReadAll(`SELECT input_ids::BIGINT[]::VARCHAR AS d FROM ${quoted(join(folder, name + '.parquet'))}`)
  const found = reader.getRowObjects().map(row => row.d ?? '[]').join('\n')
  const wanted = documents.map(d => `[${(d ?? []).join(', ')}]`).join('\n')
  if (found !== wanted) throw new Error(`DuckDB reads something else from ${name}`)
}

// DuckDB: V1 is PLAIN or PLAIN_DICTIONARY, V2 is DELTA_BINARY_PACKED or RLE_DICTIONARY; data pages are V1 in both.
for (const type of ['INTEGER', 'BIGINT', 'USMALLINT', 'UINTEGER', 'SMALLINT', 'UTINYINT', 'UBIGINT']) {
  const documents = documentsOf(type, true)
  const values = documents.map(d => d === null ? '(NULL)' : `([${d.join(',')}]::${type}[])`).join(',')
  await connection.run(`CREATE OR REPLACE TABLE t AS SELECT * FROM (VALUES ${values}) v(input_ids)`)
  for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4_raw', 'lz4']) {
    for (const version of ['v1', 'v2']) {
      for (const [encoding, limit] of [['plain', 1], ['dictionary', 100000]]) {
        if (type !== 'INTEGER' && type !== 'BIGINT' && type !== 'USMALLINT' && codec !== 'snappy') continue
        const name = `duckdb-${version}-${encoding}-${type.toLowerCase()}-${codec}`
        await connection.run(`COPY t TO ${quoted(join(folder, name + '.parquet'))} (FORMAT parquet, CODEC '${codec}', PARQUET_VERSION ${version}, DICTIONARY_SIZE_LIMIT ${limit})`)
        record(name, documents)
        await requireReadBack(name, documents)
      }
    }
  }
}

// arrow-rs: V1 and V2 pages; a dictionary that fills up makes the encoding change inside a chunk (to PLAIN, or DELTA in V2).
const { V1, V2 } = wasm.WriterVersion
const { RLE_DICTIONARY, ...encodings } = wasm.Encoding
const tunes = {
  dictionary: b => b,
  fallback: b => b.setDictionaryPageSizeLimit(512),
  plain: b => b.setDictionaryEnabled(false),
  delta: b => b.setDictionaryEnabled(false).setEncoding(encodings.DELTA_BINARY_PACKED),
  split: b => b.setDictionaryEnabled(false).setEncoding(encodings.BYTE_STREAM_SPLIT),
}
for (const [type, arrowType] of [['INTEGER', new arrow.Int32()], ['BIGINT', new arrow.Int64()], ['USMALLINT', new arrow.Uint16()], ['UINTEGER', new arrow.Uint32()], ['SMALLINT', new arrow.Int16()]]) {
  const documents = documentsOf(type, true)
  const convert = type === 'BIGINT' ? BigInt : Number
  const lists = arrow.vectorFromArray(documents.map(d => d?.map(convert) ?? null), new arrow.List(new arrow.Field('item', arrowType, true)))
  const table = () => wasm.Table.fromIPCStream(arrow.tableToIPC(new arrow.Table({ input_ids: lists }), 'stream'))
  for (const codec of ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD', 'LZ4_RAW', 'LZ4']) {
    for (const [version, code] of [['v1', V1], ['v2', V2]]) {
      for (const [encoding, tune] of Object.entries(tunes)) {
        if ((type === 'UINTEGER' || type === 'SMALLINT') && codec !== 'ZSTD') continue
        const name = `arrow-${version}-${encoding}-${type.toLowerCase()}-${codec.toLowerCase()}`
        const builder = new wasm.WriterPropertiesBuilder().setWriterVersion(code).setCompression(wasm.Compression[codec])
          .setWriteBatchSize(64).setDataPageSizeLimit(2048).setMaxRowGroupSize(200)
        writeFileSync(join(folder, name + '.parquet'), wasm.writeParquet(table(), tune(builder).build()))
        record(name, documents)
        // DuckDB reads neither the old LZ4 nor byte stream split of integers.
        if (codec !== 'LZ4' && encoding !== 'split') await requireReadBack(name, documents)
      }
    }
  }
}

// hyparquet: V2 pages and any schema. It writes no repeated leaves, so for those the footer of a list with the same levels is changed.
const list = (repetition, elementRepetition, type, name = 'element') => [
  { name: 'root', num_children: 1 },
  { name: 'input_ids', repetition_type: repetition, num_children: 1, converted_type: 'LIST' },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name, repetition_type: elementRepetition, type },
]
function rewriteFooter(bytes, change) {
  const metadata = parquetMetadata(bytes.buffer)
  change(metadata)
  const pages = bytes.length - 8 - metadata.metadata_length
  const writer = new ByteWriter()
  writer.appendBytes(bytes.subarray(0, pages))
  writeMetadata(writer, metadata)
  writer.appendUint32(writer.offset - pages)
  writer.appendBytes(new TextEncoder().encode('PAR1'))
  return new Uint8Array(writer.getBuffer())
}
const compressors = { GZIP: bytes => new Uint8Array(gzipSync(bytes)), BROTLI: bytes => new Uint8Array(brotliCompressSync(bytes)) }
const shapes = {
  optional: { schema: type => list('OPTIONAL', 'OPTIONAL', type), mayBeNull: true },
  required: { schema: type => list('REQUIRED', 'REQUIRED', type), mayBeNull: false },
  requiredlist: { schema: type => list('REQUIRED', 'OPTIONAL', type), mayBeNull: false },
  twolevel: {
    schema: type => list('OPTIONAL', 'REQUIRED', type), mayBeNull: true,
    change: (metadata, type) => { metadata.schema.splice(2, 2, { name: 'array', repetition_type: 'REPEATED', type }); return ['input_ids', 'array'] },
  },
  bare: {
    schema: type => list('REQUIRED', 'REQUIRED', type), mayBeNull: false,
    change: (metadata, type) => { metadata.schema.splice(1, 3, { name: 'input_ids', repetition_type: 'REPEATED', type }); return ['input_ids'] },
  },
}
for (const [shape, { schema, mayBeNull, change }] of Object.entries(shapes)) {
  for (const [type, physical] of [['INTEGER', 'INT32'], ['BIGINT', 'INT64']]) {
    const documents = documentsOf(type, mayBeNull)
    const data = type === 'BIGINT' ? documents.map(d => d?.map(BigInt) ?? null) : documents
    for (const encoding of ['PLAIN', 'RLE_DICTIONARY', 'DELTA_BINARY_PACKED', 'BYTE_STREAM_SPLIT']) {
      for (const codec of shape === 'optional' ? ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI'] : ['SNAPPY']) {
        const writer = new ByteWriter()
        parquetWrite({ writer, schema: schema(physical), columnData: [{ name: 'input_ids', data, encoding }], codec, compressors, pageSize: 2048, rowGroupSize: 200 })
        let bytes = new Uint8Array(writer.getBuffer())
        if (change) {
          bytes = rewriteFooter(bytes, metadata => {
            const path = change(metadata, physical)
            for (const group of metadata.row_groups) group.columns[0].meta_data.path_in_schema = path
          })
        }
        const name = `hyparquet-v2-${shape}-${encoding.toLowerCase()}-${type.toLowerCase()}-${codec.toLowerCase()}`
        writeFileSync(join(folder, name + '.parquet'), bytes)
        record(name, documents)
        if (encoding !== 'BYTE_STREAM_SPLIT') await requireReadBack(name, documents)
      }
    }
  }
}

// Pages (V1) that end inside a document, as parquet-cpp cuts them: none of the writers above does it, so the pages are put together here,
// a new one after every 100 slots, whatever document that is in.
{
  const documents = documentsOf('INTEGER', false)
  const slots = documents.flatMap(d => d.length ? d.map((id, j) => ({ id, repetition: j ? 1 : 0, definition: 1 })) : [{ repetition: 0, definition: 0 }])
  const writer = new ByteWriter()
  writer.appendBytes(new TextEncoder().encode('PAR1'))
  const start = writer.offset
  for (let at = 0; at < slots.length; at += 100) {
    const part = slots.slice(at, at + 100)
    const page = new ByteWriter()
    for (const level of ['repetition', 'definition']) {
      const levels = new ByteWriter()
      writeRleBitPackedHybrid(levels, part.map(slot => slot[level]), 1)
      page.appendUint32(levels.offset)
      page.appendBytes(new Uint8Array(levels.getBuffer()))
    }
    for (const slot of part) if (slot.definition) page.appendInt32(slot.id)
    serializeTCompactProtocol(writer, { field_1: 0, field_2: page.offset, field_3: page.offset, field_5: { field_1: part.length, field_2: 0, field_3: 3, field_4: 3 } })
    writer.appendBytes(new Uint8Array(page.getBuffer()))
  }
  const size = BigInt(writer.offset - start)
  const footer = writer.offset
  writeMetadata(writer, {
    version: 1, created_by: 'pages that end inside a document', num_rows: BigInt(documents.length), schema: list('REQUIRED', 'REQUIRED', 'INT32'),
    row_groups: [{ num_rows: BigInt(documents.length), total_byte_size: size, columns: [{ file_offset: 4n, meta_data: {
      type: 'INT32', encodings: ['PLAIN', 'RLE'], path_in_schema: ['input_ids', 'list', 'element'], codec: 'UNCOMPRESSED', num_values: BigInt(slots.length),
      total_uncompressed_size: size, total_compressed_size: size, data_page_offset: 4n } }] }],
  })
  writer.appendUint32(writer.offset - footer)
  writer.appendBytes(new TextEncoder().encode('PAR1'))
  const name = 'handmade-v1-pages-inside-documents'
  writeFileSync(join(folder, name + '.parquet'), new Uint8Array(writer.getBuffer()))
  record(name, documents)
  await requireReadBack(name, documents)
}

const names = readdirSync(folder).sort()
execFileSync('bash', ['-c', `tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - -C "$1" . | gzip -n -9 > "$2"`, 'bash', folder, join(output, 'matrix.tar.gz')])
writeFileSync(join(output, 'matrix.json'), '{\n' + Object.entries(checksums).map(([name, sum]) => `  ${JSON.stringify(name)}: ${JSON.stringify(sum)}`).join(',\n') + '\n}\n')
rmSync(folder, { recursive: true })
console.log(`${names.length} files`)
