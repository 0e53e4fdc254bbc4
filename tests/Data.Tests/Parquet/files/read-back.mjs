// Reads shards that we wrote with three programs that share no code with us, and compares the checksum of what each finds with the one
// computed while writing. Install as generate.mjs says, with hyparquet-compressors@1.1.1 added; then
//
//   dotnet artifacts/bin/ShardBenchmark/release/ShardBenchmark.dll samples SAMPLES
//   cp read-back.mjs SOME_FOLDER && node SOME_FOLDER/read-back.mjs SAMPLES

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import * as arrow from 'apache-arrow'
import * as wasm from 'parquet-wasm'
import { parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

const folder = resolve(process.argv[2])
const sums = JSON.parse(readFileSync(join(folder, 'sums.json'), 'utf8'))
const connection = await (await DuckDBInstance.create(':memory:')).connect()

function sumOf(documents) {
  const hash = createHash('sha256')
  let tokens = 0
  for (const document of documents) {
    const ids = Array.from(document, Number)
    hash.update(Int32Array.of(ids.length, ...ids))
    tokens += ids.length
  }
  return { rows: documents.length, tokens, sha256: hash.digest('hex') }
}

const readers = {
  DuckDB: async path => (await connection.runAndReadAll(`SELECT input_ids FROM '${path.replaceAll("'", "''")}'`)).getRowObjects().map(row => row.input_ids.items),
  'arrow-rs': async path => {
    const table = arrow.tableFromIPC(wasm.readParquet(readFileSync(path)).intoIPCStream())
    return Array.from(table.getChild('input_ids'), list => list.toArray())
  },
  hyparquet: async path => {
    const bytes = readFileSync(path)
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)
    return (await parquetReadObjects({ file, compressors })).map(row => row.input_ids)
  },
}

let failed = 0
for (const [name, wanted] of Object.entries(sums)) {
  for (const [reader, read] of Object.entries(readers)) {
    const found = JSON.stringify(sumOf(await read(join(folder, name))))
    if (found !== JSON.stringify(wanted)) {
      failed++
      console.log(`${reader} finds ${found} in ${name}, not ${JSON.stringify(wanted)}`)
    }
  }
}
console.log(`${Object.keys(sums).length} files, ${Object.keys(readers).length} readers, ${failed} differences`)
process.exitCode = failed ? 1 : 0
