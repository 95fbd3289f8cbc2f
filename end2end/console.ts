// What all journeys share: a signed-in operator, a page that may not complain, and databases of one's own.
import { type APIRequestContext, type Browser, type Page, expect, test as base } from '@playwright/test'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { demo } from './demo'

type State = Awaited<ReturnType<Awaited<ReturnType<Browser['newContext']>>['storageState']>>

type Options = {
  // Complaints of the browser that belong to the journey, such as the 404 of a page that is not there.
  expectedComplaints: RegExp[]
}

export const test = base.extend<Options & { complaints: void }, { operatorState: State }>({
  expectedComplaints: [[], { option: true }],

  // Signed in once per worker, by the link that the demo writes down; a used link is replaced within seconds.
  operatorState: [
    async ({ browser }, use) => {
      const context = await browser.newContext()
      const page = await context.newPage()
      await expect(async () => {
        await page.goto(demo('FLOTILLA_SIGN_IN_URL'))
        await page.getByRole('button', { name: 'Sign in to Flotilla' }).click()
        await page.waitForURL((url) => !url.pathname.startsWith('/sign-in/link'), { timeout: 5_000 })
        expect(new URL(page.url()).pathname).toBe('/')
      }).toPass({ timeout: 30_000 })
      const state = await context.storageState()
      await context.close()
      await use(state)
    },
    { scope: 'worker' },
  ],

  storageState: async ({ operatorState }, use) => use(operatorState),

  // Any error or warning of the browser fails the journey: hydration that does not fit shows itself only there.
  complaints: [
    async ({ page, expectedComplaints }, use) => {
      const complaints: string[] = []
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
      })
      page.on('pageerror', (error) => complaints.push(String(error)))
      await use()
      expect(complaints.filter((text) => !expectedComplaints.some((expected) => expected.test(text)))).toEqual([])
    },
    { auto: true },
  ],
})

export { expect }

// Opens a page and waits until WebAssembly answers its clicks.
export async function open(page: Page, path: string): Promise<void> {
  await page.goto(path)
  await hydrated(page)
}

export async function hydrated(page: Page): Promise<void> {
  await expect(page.locator('html[data-hydrated]')).toBeAttached()
}

export type Claim = {
  owner: { id: string; email: string }
  database: { id: string; neon_project_id: string }
  connection: { host: string; password: string; uri: string }
}

// Claims a database of one's own, as a signup service would.
export async function claim(request: APIRequestContext): Promise<Claim> {
  const id = `journey-${randomBytes(6).toString('hex')}`
  const answer = await request.post(`${demo('FLOTILLA_URL')}/api/v1/claims`, {
    headers: { authorization: `Bearer ${demo('FLOTILLA_API_TOKEN')}` },
    data: { owner: { id, email: `${id}@mail.example` }, wait_seconds: 20 },
  })
  expect(answer.status(), await answer.text()).toBe(201)
  return answer.json()
}

// The project as Neon knows it.
export async function neonProject(request: APIRequestContext, id: string) {
  const answer = await request.get(`${demo('NEON_API_HOST')}/projects/${id}`, {
    headers: { authorization: `Bearer ${demo('NEON_API_KEY')}` },
  })
  expect(answer.ok(), await answer.text()).toBe(true)
  return (await answer.json()).project
}

// Makes an operator of this role with a password, and says how they sign in.
export function addOperator(role: string, name = 'Journey'): { email: string; password: string } {
  const email = `${role}-${randomBytes(4).toString('hex')}@mail.example`
  const password = randomBytes(12).toString('hex')
  const program = resolve(__dirname, '../target/release/flotilla')
  execFileSync(program, ['operator', 'add', email, '--name', name, '--role', role, '--password-stdin'], {
    input: `${password}\n`,
    env: { ...process.env, DATABASE_URL: demo('DATABASE_URL') },
    stdio: ['pipe', 'ignore', 'inherit'],
    timeout: 30_000,
  })
  return { email, password }
}

// Signs in through the form.
export async function signIn(page: Page, who: { email: string; password: string }): Promise<void> {
  await page.goto('/sign-in')
  await page.getByLabel('E-mail').fill(who.email)
  await page.getByLabel('Password').fill(who.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page).toHaveURL('/')
}
