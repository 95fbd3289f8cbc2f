// What stands around every page: signing in and out, the theme, the status strip, look-up by keyboard.
import { addOperator, claim, expect, open, signIn, test } from './console'

test.describe('somebody who is not signed in', () => {
  test.use({ storageState: { cookies: [], origins: [] } })

  test('is asked to sign in and then led to where they wanted to go', async ({ page }) => {
    const who = addOperator('viewer')
    await page.goto('/pools')
    await expect(page).toHaveURL(/\/sign-in\?next=/)
    await page.getByLabel('E-mail').fill(who.email)
    await page.getByLabel('Password').fill(who.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await expect(page).toHaveURL('/pools')
  })

  test('reads in words that the password is wrong', async ({ page }) => {
    await page.goto('/sign-in')
    await page.getByLabel('E-mail').fill('nobody@mail.example')
    await page.getByLabel('Password').fill('certainly not this')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await expect(page.getByRole('alert')).toContainText('E-mail or password is wrong.')
  })

  test('signs out for good', async ({ page }) => {
    await signIn(page, addOperator('viewer'))
    await page.getByRole('button', { name: 'Sign out' }).click()
    await expect(page).toHaveURL(/\/sign-in/)
    await page.goto('/databases')
    await expect(page).toHaveURL(/\/sign-in\?next=/)
  })

  test('sees, as a viewer, what they may not do and why', async ({ page, request }) => {
    const { database } = await claim(request)
    await signIn(page, addOperator('viewer'))
    await open(page, `/databases/${database.id}`)
    for (const name of ['Edit quota', 'Reveal', 'Release']) {
      const button = page.getByRole('button', { name, exact: true })
      await expect(button).toBeDisabled()
      await expect(button).toHaveAttribute('title', /Needs the role/)
    }
  })
})

test('the theme that was chosen stays, without a flash', async ({ page }) => {
  await open(page, '/')
  await page.getByRole('button', { name: 'Dark theme' }).click()
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
  await page.goto('/pools', { waitUntil: 'commit' })
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
  await expect(page.getByRole('button', { name: 'Dark theme' })).toHaveAttribute('aria-pressed', 'true')
  await page.getByRole('button', { name: 'Theme as the system has it' }).click()
  await expect(page.locator('html')).not.toHaveAttribute('data-theme')
})

test('the status strip says how the fleet is', async ({ page }) => {
  await open(page, '/')
  const strip = page.getByRole('contentinfo')
  await expect(strip.getByRole('status').first()).not.toBeEmpty()
  await expect(strip).toContainText(/Available\s*[\d,]+/)
})

test('each number of fleet health leads to what is behind it', async ({ page }) => {
  await open(page, '/')
  await page.getByRole('link', { name: /^Near the storage quota/ }).click()
  await expect(page).toHaveURL('/databases?storage=80')
  await expect(page.getByLabel('Storage ≥ 80 %')).toBeChecked()
})

test('times turn from relative to UTC at a click, and stay so', async ({ page }) => {
  await open(page, '/databases?sort=claimed')
  const first = page.locator('tbody time').first()
  await expect(first).toHaveText(/ago|just now/)
  await page.getByRole('button', { name: /Times:/ }).click()
  await expect(first).toHaveText(/^\d{4}-\d\d-\d\d \d\d:\d\d UTC$/)
  await open(page, '/databases?sort=claimed')
  await expect(first).toHaveText(/UTC$/)
})

test.describe('look-up', () => {
  test('opens the one database that an e-mail address belongs to', async ({ page, request }) => {
    const { owner, database } = await claim(request)
    await open(page, '/engine')
    await page.keyboard.press('Control+k')
    await page.keyboard.type(owner.email)
    await page.keyboard.press('Enter')
    await expect(page).toHaveURL(`/databases/${database.id}`)
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(owner.email)
  })

  test('takes a pasted connection string and lets go of its password', async ({ page, request }) => {
    const { connection, database } = await claim(request)
    const urls: string[] = []
    page.on('request', (request) => urls.push(request.url()))
    await open(page, '/')
    await page.getByRole('searchbox', { name: /Look up/ }).fill(connection.uri)
    await page.keyboard.press('Enter')
    await expect(page).toHaveURL(`/databases/${database.id}`)
    expect(urls.filter((url) => decodeURIComponent(url).includes(connection.password))).toEqual([])
  })

  test('says so when a paste names nothing, and keeps none of it', async ({ page }) => {
    await open(page, '/')
    await page.getByRole('searchbox', { name: /Look up/ }).fill('PGPASSWORD=hunter2-Aq9 psql -U neondb_owner')
    await page.keyboard.press('Enter')
    await expect(page.getByText('Nothing in what you pasted names a database')).toBeVisible()
    expect(page.url()).not.toContain('hunter2')
    expect(await page.content()).not.toContain('hunter2')
  })

  test('lists several with the field that matched', async ({ page }) => {
    await open(page, '/lookup?q=mail.example')
    await expect(page.locator('mark').first()).toContainText('mail.example')
    await page.getByRole('listitem').filter({ has: page.locator('mark') }).first().getByRole('link').click()
    await expect(page).toHaveURL(/\/databases\/[0-9a-f-]{36}$/)
  })
})
