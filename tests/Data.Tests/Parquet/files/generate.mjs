// Writes the Parquet files of this folder with writers that share no code with this repository.
//
//   npm install --no-save --prefix SOME_FOLDER @duckdb/node-api@1.5.6-r.1 parquet-wasm@0.8.0 apache-arrow@21.2.0 \
//     hyparquet@1.31.5 hyparquet-writer@0.17.0
//   cp generate.mjs SOME_FOLDER && node SOME_FOLDER/generate.mjs OUTPUT_FOLDER
//
// Content by formula, so that the tests can compute it again:
//   document i has (i * 7) % 13 tokens, so some have none; in files that may hold nulls, documents with i % 10 == 9 are null
//   token j of document i is (i * 31 + j * 17) % 4096
//   column id is "doc-" + i, null where i % 5 == 3;  column weight (int32) is i * 3, null where i % 4 == 1
// File names: writer-what-codec.

import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import * as arrow from 'apache-arrow'
import * as wasm from 'parquet-wasm'
import { parquetMetadata } from 'hyparquet'
import { ByteWriter, parquetWrite } from 'hyparquet-writer'
import { writeMetadata } from './node_modules/hyparquet-writer/src/metadata.js'

const output = resolve(process.argv[2])

const lengthOf = i => (i * 7) % 13
const tokensOf = i => Array.from({ length: lengthOf(i) }, (_, j) => (i * 31 + j * 17) % 4096)
const isNull = i => i % 10 === 9
const rows = (count, row) => Array.from({ length: count }, (_, i) => row(i))

// DuckDB: every column optional; V1 is PLAIN or PLAIN_DICTIONARY, V2 is DELTA_BINARY_PACKED or RLE_DICTIONARY, pages are V1 in both.
const duckdb = await (await DuckDBInstance.create(':memory:')).connect()
async function writeDuckdb(name, count, type, options) {
  const path = join(output, name + '.parquet').replaceAll("'", "''")
  await duckdb.run(`COPY (
    SELECT CASE WHEN i % 5 = 3 THEN NULL ELSE 'doc-' || i END AS id,
           CASE WHEN i % 4 = 1 THEN NULL ELSE (i * 3)::INTEGER END AS weight,
           CASE WHEN i % 10 = 9 THEN NULL
                ELSE list_transform(range(0, (i * 7) % 13), lambda j: ((i * 31 + j * 17) % 4096)::${type})::${type}[] END AS input_ids
    FROM range(0, ${count}) t(i) ORDER BY i) TO '${path}' (FORMAT parquet, ${options})`)
}

for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4_raw']) {
  await writeDuckdb(`duckdb-v1-${codec}`, 300, 'INTEGER', `CODEC '${codec}', PARQUET_VERSION v1`)
}
await writeDuckdb('duckdb-v2-zstd', 300, 'INTEGER', "CODEC 'zstd', PARQUET_VERSION v2")
await writeDuckdb('duckdb-v2int64-snappy', 300, 'BIGINT', "CODEC 'snappy', PARQUET_VERSION v2")
await writeDuckdb('duckdb-v1uint16-zstd', 300, 'USMALLINT', "CODEC 'zstd', PARQUET_VERSION v1")
await writeDuckdb('duckdb-v1groups-zstd', 4200, 'INTEGER', "CODEC 'zstd', PARQUET_VERSION v1, ROW_GROUP_SIZE 2048")
await writeDuckdb('duckdb-v1dictionary-snappy', 800, 'INTEGER', "CODEC 'snappy', PARQUET_VERSION v1, DICTIONARY_SIZE_LIMIT 100000")

// arrow-rs: V1 and V2 pages; a dictionary that fills up makes the encoding change inside a chunk (to PLAIN, or DELTA in V2).
const item = type => new arrow.Field('item', type, true)
function arrowTable(count, type, onlyTokens) {
  const ids = arrow.vectorFromArray(rows(count, i => (i % 5 === 3 ? null : 'doc-' + i)), new arrow.Utf8())
  const weights = arrow.vectorFromArray(rows(count, i => (i % 4 === 1 ? null : i * 3)), new arrow.Int32())
  const convert = type.bitWidth === 64 ? BigInt : Number
  const lists = arrow.vectorFromArray(rows(count, i => (isNull(i) ? null : tokensOf(i).map(convert))), new arrow.List(item(type)))
  const columns = onlyTokens ? { input_ids: lists } : { id: ids, weight: weights, input_ids: lists }
  return wasm.Table.fromIPCStream(arrow.tableToIPC(new arrow.Table(columns), 'stream'))
}
function writeArrow(name, count, type, version, codec, tune = builder => builder, onlyTokens = false) {
  const builder = new wasm.WriterPropertiesBuilder().setWriterVersion(version).setCompression(codec).setWriteBatchSize(64)
  writeFileSync(join(output, name + '.parquet'), wasm.writeParquet(arrowTable(count, type, onlyTokens), tune(builder).build()))
}

const { V1, V2 } = wasm.WriterVersion
const { UNCOMPRESSED, SNAPPY, GZIP, BROTLI, ZSTD, LZ4_RAW, LZ4 } = wasm.Compression
const int32 = new arrow.Int32()
const manyPages = builder => builder.setDataPageSizeLimit(512)
const fallback = builder => manyPages(builder).setDictionaryPageSizeLimit(1024)
const plain = builder => manyPages(builder).setDictionaryEnabled(false)
writeArrow('arrow-v1-uncompressed', 300, int32, V1, UNCOMPRESSED)
writeArrow('arrow-v1fallback-snappy', 500, int32, V1, SNAPPY, fallback)
writeArrow('arrow-v1plain-gzip', 300, int32, V1, GZIP, plain)
writeArrow('arrow-v1delta-zstd', 300, int32, V1, ZSTD, b => plain(b).setEncoding(wasm.Encoding.DELTA_BINARY_PACKED), true)
writeArrow('arrow-v1split-zstd', 300, int32, V1, ZSTD, b => plain(b).setEncoding(wasm.Encoding.BYTE_STREAM_SPLIT), true)
writeArrow('arrow-v2-zstd', 300, int32, V2, ZSTD, manyPages)
writeArrow('arrow-v2fallback-brotli', 500, int32, V2, BROTLI, fallback)
writeArrow('arrow-v2plain-lz4_raw', 300, int32, V2, LZ4_RAW, plain)
writeArrow('arrow-v2int64-snappy', 300, new arrow.Int64(), V2, SNAPPY, manyPages)
writeArrow('arrow-v1uint16-snappy', 300, new arrow.Uint16(), V1, SNAPPY, manyPages)
writeArrow('arrow-v1groups-zstd', 500, int32, V1, ZSTD, b => manyPages(b).setMaxRowGroupSize(120))
writeArrow('arrow-v1-lz4', 20, int32, V1, LZ4)

// hyparquet: V2 pages and any schema. It writes no repeated leaves, so for those the footer of a list with the same levels is changed.
function writeHyparquet(name, count, schema, data, codec, changeSchema) {
  const writer = new ByteWriter()
  parquetWrite({ writer, schema, columnData: [{ name: 'input_ids', data }], codec, pageSize: 1024, rowGroupSize: count })
  let bytes = new Uint8Array(writer.getBuffer())
  if (changeSchema) {
    const metadata = parquetMetadata(bytes.buffer)
    changeSchema(metadata.schema, metadata.row_groups[0].columns[0].meta_data)
    const pages = bytes.length - 8 - metadata.metadata_length
    const footer = new ByteWriter()
    footer.appendBytes(bytes.subarray(0, pages))
    writeMetadata(footer, metadata)
    footer.appendUint32(footer.offset - pages)
    footer.appendBytes(new TextEncoder().encode('PAR1'))
    bytes = new Uint8Array(footer.getBuffer())
  }
  writeFileSync(join(output, name + '.parquet'), bytes)
}
const list = (repetition, elementRepetition) => [
  { name: 'root', num_children: 1 },
  { name: 'input_ids', repetition_type: repetition, num_children: 1, converted_type: 'LIST' },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', repetition_type: elementRepetition, type: 'INT32' },
]
const repeated = name => ({ name, repetition_type: 'REPEATED', type: 'INT32' })
const nullable = rows(300, i => (isNull(i) ? null : tokensOf(i)))
const filled = rows(300, tokensOf)
writeHyparquet('hyparquet-v2-snappy', 300, list('OPTIONAL', 'OPTIONAL'), nullable, 'SNAPPY')
writeHyparquet('hyparquet-required-uncompressed', 300, list('REQUIRED', 'REQUIRED'), filled, 'UNCOMPRESSED')
writeHyparquet('hyparquet-twolevel-snappy', 300, list('OPTIONAL', 'REQUIRED'), nullable, 'SNAPPY', (schema, chunk) => {
  schema.splice(2, 2, repeated('array'))
  chunk.path_in_schema = ['input_ids', 'array']
})
writeHyparquet('hyparquet-bare-snappy', 300, list('REQUIRED', 'REQUIRED'), filled, 'SNAPPY', (schema, chunk) => {
  schema.splice(1, 3, repeated('input_ids'))
  chunk.path_in_schema = ['input_ids']
})
