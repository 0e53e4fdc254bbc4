// Tokens per second of DuckDB with one thread, summing the column that ShardBenchmark reads. One JSON line a file.
//   node duckdb_sum.mjs MODULE_FOLDER sum FILE PASSES
//   node duckdb_sum.mjs MODULE_FOLDER copy FILE TARGET CODEC      writes FILE again with DuckDB's own writer
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

const [modules, verb, file, ...rest] = process.argv.slice(2)
const { DuckDBInstance } = createRequire(join(resolve(modules), 'package.json'))('@duckdb/node-api')
const connection = await (await DuckDBInstance.create(':memory:')).connect()
const quoted = path => `'${path.replaceAll("'", "''")}'`
await connection.run('SET threads=1')

if (verb === 'copy') {
  const [target, codec] = rest
  await connection.run(`COPY (SELECT input_ids FROM ${quoted(file)}) TO ${quoted(target)} (FORMAT parquet, CODEC '${codec}')`)
} else {
  const query = `SELECT sum(list_sum(input_ids))::BIGINT AS total, sum(len(input_ids))::BIGINT AS tokens FROM ${quoted(file)}`
  const counted = (await connection.runAndReadAll(query)).getRowObjects()[0]
  const rates = []
  const cpuRates = []
  for (let pass = 0; pass < Number(rest[0]); pass++) {
    const cpuStart = process.cpuUsage()
    const start = process.hrtime.bigint()
    const found = (await connection.runAndReadAll(`SELECT sum(list_sum(input_ids))::BIGINT AS total FROM ${quoted(file)}`)).getRowObjects()[0]
    const seconds = Number(process.hrtime.bigint() - start) / 1e9
    const cpu = process.cpuUsage(cpuStart)
    if (found.total !== counted.total) throw new Error(`the sum was ${counted.total} and is now ${found.total}`)
    rates.push(Number(counted.tokens) / seconds)
    cpuRates.push(Number(counted.tokens) / (cpu.user + cpu.system) * 1e6)
  }
  rates.sort((a, b) => a - b)
  cpuRates.sort((a, b) => a - b)
  console.log(JSON.stringify({
    tokens_per_second: Math.round(rates[rates.length >> 1]),
    tokens_per_cpu_second: Math.round(cpuRates[cpuRates.length >> 1]),
    tokens: Number(counted.tokens), sum: Number(counted.total),
  }))
}
