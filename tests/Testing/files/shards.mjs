// Writes documents.json as token shards, with writers that share no code with this repository.
//
//   npm install --no-save --prefix SOME_FOLDER @duckdb/node-api@1.5.6-r.1 parquet-wasm@0.8.0 apache-arrow@21.2.0
//   cp shards.mjs documents.json SOME_FOLDER && node SOME_FOLDER/shards.mjs OUTPUT_FOLDER
//
// duckdb-int64.parquet: 64-bit ids; arrow-uint16.parquet: 16-bit ids in several row groups, data pages V2;
// beyond-vocabulary.parquet: the third document of five holds id 97, which the models here do not have.

import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import * as arrow from 'apache-arrow'
import * as wasm from 'parquet-wasm'

const output = resolve(process.argv[2])
const documents = JSON.parse(readFileSync(join(dirname(fileURLToPath(import.meta.url)), 'documents.json'), 'utf8'))
const duckdb = await (await DuckDBInstance.create(':memory:')).connect()

async function writeDuckdb(name, rows, options) {
  const values = rows.map((ids, i) => `(${i}, [${ids.join(',')}]::BIGINT[])`).join(',')
  await duckdb.run(`COPY (SELECT input_ids FROM (VALUES ${values}) t(i, input_ids) ORDER BY i)
    TO '${join(output, name + '.parquet').replaceAll("'", "''")}' (FORMAT parquet, ${options})`)
}

await writeDuckdb('duckdb-int64', documents, "CODEC 'zstd', PARQUET_VERSION v2")
await writeDuckdb('beyond-vocabulary', [[1, 2, 3], [], [4, 96, 97, 5], [6, 7], [8, 9]], "CODEC 'uncompressed'")

const item = new arrow.Field('item', new arrow.Uint16(), true)
const table = new arrow.Table({ input_ids: arrow.vectorFromArray(documents, new arrow.List(item)) })
const properties = new wasm.WriterPropertiesBuilder()
  .setCompression(wasm.Compression.SNAPPY).setWriterVersion(wasm.WriterVersion.V2).setMaxRowGroupSize(11).build()
writeFileSync(join(output, 'arrow-uint16.parquet'),
  wasm.writeParquet(wasm.Table.fromIPCStream(arrow.tableToIPC(table, 'stream')), properties))
