// Prints the cases of the public suite of HTTP caches that failed: [{id, kind, why}], and how many there were. Arguments:
// the suite's folder and the file of its results.
import { readFileSync } from 'fs'
import { pathToFileURL } from 'url'

const [home, file] = process.argv.slice(2)
const { default: suites } = await import(pathToFileURL(`${home}/tests/index.mjs`))
const results = JSON.parse(readFileSync(file))
const cases = suites.flatMap(suite => suite.tests).filter(each => each.browser_only !== true)
const passed = id => results[id] === true
const failed = cases
  .filter(each => !passed(each.id) && (each.depends_on ?? []).every(passed))
  .map(({ id, kind }) => ({ id, kind: kind ?? 'required', why: String((results[id] ?? ['', 'was not run'])[1]) }))
console.log(JSON.stringify({ cases: cases.length, failed }))
