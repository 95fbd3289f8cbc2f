import { readFileSync } from 'node:fs'
import { join } from 'node:path'

// What `flotilla demo` wrote for scripts and curious people: FLOTILLA_URL, FLOTILLA_API_TOKEN, FLOTILLA_SIGN_IN_URL and more.
export function demo(name: string): string {
  const file = join(process.env.FLOTILLA_END2END ?? '', '.flotilla/demo.env')
  const line = readFileSync(file, 'utf8').split('\n').find((line) => line.replace(/^export /, '').startsWith(`${name}=`))
  if (!line) throw new Error(`${file} has no ${name}`)
  return line.slice(line.indexOf('=') + 1).replace(/^(['"])(.*)\1$/, '$2')
}
