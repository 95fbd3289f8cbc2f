// Names that are markup, and names that are not what they look like: every page shows them as text, and hydrates without a complaint.
import { randomBytes } from 'node:crypto'
import { type APIRequestContext, type Page } from '@playwright/test'
import { addOperator, expect, open, signIn, test } from './console'
import { demo } from './demo'

const MARKUP = '</title></textarea><script>hostile()</script><x-hostile/onhostile=1>"\'`><!--&lt;'

test.use({ storageState: { cookies: [], origins: [] } })

async function claimHostile(request: APIRequestContext) {
  const id = `hostile-${randomBytes(6).toString('hex')}`
  const answer = await request.post(`${demo('FLOTILLA_URL')}/api/v1/claims`, {
    headers: { authorization: `Bearer ${demo('FLOTILLA_API_TOKEN')}` },
    data: {
      owner: { id: `${id}${MARKUP}`, email: `${id}${MARKUP}@mail.example`, organisation: `Acme \u202e${MARKUP}\u200b` },
      wait_seconds: 20,
    },
  })
  expect(answer.status(), await answer.text()).toBe(201)
  const { owner, database } = await answer.json()
  return { id, owner, database }
}

async function expectNothingForeign(page: Page, path: string) {
  const foreign = await page.evaluate(() => ({
    elements: document.querySelectorAll('x-hostile, meta[http-equiv], [onhostile]').length,
    scripts: [...document.scripts].filter((script) => script.textContent?.trim() === 'hostile()').length,
    titles: document.head.querySelectorAll('title').length,
  }))
  expect(foreign, path).toEqual({ elements: 0, scripts: 0, titles: 1 })
}

test('every page hydrates with hostile names, and none becomes markup', async ({ page, request }) => {
  test.setTimeout(180_000)
  const { id, owner, database } = await claimHostile(request)
  await signIn(page, addOperator('operator', `Op ${MARKUP}`))
  const paths = [
    '/',
    `/databases?text=${id}`,
    `/databases?text=${encodeURIComponent(MARKUP)}`,
    `/databases/${database.id}`,
    `/lookup?q=${id}`,
    `/lookup?q=${encodeURIComponent(MARKUP)}`,
    '/pools',
    '/pools/standard',
    '/pools/standard/policy',
    '/problems',
    '/engine',
    '/budget',
    `/?error=${encodeURIComponent(MARKUP)}&field=${encodeURIComponent(MARKUP)}`,
  ]
  for (const path of paths) {
    await open(page, path)
    await expectNothingForeign(page, path)
  }
  await open(page, `/databases/${database.id}`)
  await expect(page).toHaveTitle(`${owner.email} · Flotilla`)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(owner.email)
  await expect(page.getByText('⟨U+202E⟩').first()).toBeVisible()
})

test('a reason that is markup stands in the history as it was written', async ({ page, request }) => {
  const { database } = await claimHostile(request)
  await signIn(page, addOperator('operator'))
  await open(page, `/databases/${database.id}`)
  await page.getByRole('button', { name: 'Edit quota' }).click()
  const dialog = page.getByRole('dialog', { name: 'Edit quota' })
  await dialog.getByLabel('Storage').fill('2 GiB')
  await dialog.getByLabel('Reason').fill(`because ${MARKUP}`)
  await dialog.getByRole('button', { name: 'Save quota' }).click()
  await expect(dialog).toBeHidden()
  await expect(page.getByText(`because ${MARKUP}`).first()).toBeVisible()
  await open(page, `/databases/${database.id}`)
  await expectNothingForeign(page, 'the history')
})
